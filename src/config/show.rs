//! The settings in force, for people and for scripts.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::Loaded;

impl Loaded {
    /// Writes TOML that a server could be started with, each value with its
    /// source in a comment.
    ///
    /// # Errors
    ///
    /// Where `out` cannot be written.
    pub fn write_toml(&self, out: &mut impl Write) -> io::Result<()> {
        let mut section = "";
        for value in &self.effective {
            if section != value.section {
                let gap = if section.is_empty() { "" } else { "\n" };
                writeln!(out, "{gap}[{}]", value.section)?;
                section = value.section;
            }
            let setting = format!("{} = {}", value.name, value.value);
            writeln!(out, "{setting:<28} # {}", value.source.escape_debug())?;
        }
        Ok(())
    }

    /// Writes `{"section": {"name": {"value": …, "source": …}}}`.
    ///
    /// # Errors
    ///
    /// Where `out` cannot be written.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let mut sections = Map::new();
        for value in &self.effective {
            let section = sections.entry(value.section).or_insert_with(|| json!({}));
            section[value.name] = json!({ "value": value.value, "source": value.source });
        }
        writeln!(out, "{:#}", Value::Object(sections))
    }
}
