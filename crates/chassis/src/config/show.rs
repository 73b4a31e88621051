//! The settings in effect, for people and for scripts.

use std::io::{self, Write};

use serde_json::{Map, Value, json};
use wire::escape::Escaped;

use super::{effective::Effective, load::Loaded};

impl<S> Loaded<S> {
    /// Writes TOML with the source of each value in a comment. It is a valid file for
    /// `--config`, except for secrets.
    ///
    /// # Errors
    ///
    /// Returns an error if `out` cannot be written.
    pub fn write_toml(&self, out: &mut impl Write) -> io::Result<()> {
        let mut section = "";
        for setting in &self.effective {
            if section != setting.section {
                let gap = if section.is_empty() { "" } else { "\n" };
                section = &setting.section;
                writeln!(out, "{gap}[{section}]")?;
            }
            let assignment = format!("{} = {}", setting.name, setting.value);
            writeln!(out, "{assignment:<28} # {}", Escaped(&setting.source))?;
        }
        Ok(())
    }

    /// Writes `{"section": {"name": {"value": …, "source": …}}}`.
    ///
    /// # Errors
    ///
    /// Returns an error if `out` cannot be written.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{:#}", as_json(&self.effective))
    }
}

/// Returns `{"section": {"name": {"value": …, "source": …}}}`.
pub(crate) fn as_json(effective: &[Effective]) -> Value {
    let mut sections = Value::Object(Map::new());
    for setting in effective {
        let section = setting.section.split('.').fold(&mut sections, |s, part| &mut s[part]);
        section[&setting.name] = json!({ "value": setting.value, "source": setting.source });
    }
    sections
}
