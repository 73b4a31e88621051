//! The layers that settings come from. Later ones win: defaults, files, environment, flags.

use std::{
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::{
    defaults::Defaults,
    error::ConfigError,
    opentelemetry, text,
    values::{Sourced, Values},
};

/// The layers above the defaults.
#[derive(Clone, Default)]
pub struct Layers {
    /// Files in TOML. A later one wins over an earlier one.
    pub files: Vec<PathBuf>,
    /// Variables. Those with neither the prefix of the package nor a name that OpenTelemetry
    /// defines are ignored.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags, as typed on the command line.
    pub flags: Vec<Flag>,
}

/// A setting that was given on the command line.
#[derive(Clone)]
pub struct Flag {
    /// The flag, such as `--max-workers`.
    pub name: &'static str,
    /// The setting that it sets, such as `server.max_workers`.
    pub key: &'static str,
    /// Its value, not yet checked.
    pub text: String,
}

// Values can be secret before they are read, so only names are shown.

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layers")
            .field("files", &self.files)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flag")
            .field("name", &self.name)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Layers {
    /// Returns all values, merged, and the errors of the layers themselves.
    pub(super) fn merge(&self, defaults: &Defaults) -> (Values, Vec<ConfigError>) {
        let mut merge = Merge { defaults, values: defaults.as_layer(), errors: Vec::new() };
        for path in &self.files {
            merge.file(path);
        }
        merge.opentelemetry(&self.environment);
        merge.environment(&self.environment);
        for flag in &self.flags {
            if merge.exists(flag.key, flag.name) {
                merge.insert_text(flag.key, &flag.text, flag.name);
            }
        }
        (merge.values, merge.errors)
    }
}

/// Merges one layer after the other. Only settings that exist get into the values.
struct Merge<'a> {
    defaults: &'a Defaults,
    values: Values,
    errors: Vec<ConfigError>,
}

impl Merge<'_> {
    fn file(&mut self, path: &Path) {
        let source = path.display().to_string();
        match read(path) {
            Ok(table) => self.table(table, "", &source),
            Err(problem) => {
                self.errors.push(ConfigError { subject: source, problem, source: None });
            }
        }
    }

    fn table(&mut self, table: Table, section: &str, source: &str) {
        for (name, value) in table {
            // A name with a dot is quoted, as it must be in the file.
            let name = if name.contains('.') { format!("{name:?}") } else { name };
            let key = if section.is_empty() { name } else { format!("{section}.{name}") };
            match value {
                Value::Table(table) if self.defaults.is_section(&key) => {
                    self.table(table, &key, source);
                }
                value if self.exists(&key, source) => self.insert(&key, value, source),
                _ => {}
            }
        }
    }

    fn environment(&mut self, variables: &[(OsString, OsString)]) {
        for (variable, text) in variables {
            let variable = variable.to_string_lossy();
            let Some(path) = variable.strip_prefix(&self.defaults.environment_prefix) else {
                continue;
            };
            // A dot in the name does not separate parts.
            let key = path.to_lowercase().replace('.', "\".\"").replace("__", ".");
            if !self.exists(&key, &variable) {
                continue;
            }
            match text.to_str() {
                Some(text) => self.insert_text(&key, text, &variable),
                None => self.error(&key, "is not UTF-8", &variable),
            }
        }
    }

    fn opentelemetry(&mut self, variables: &[(OsString, OsString)]) {
        for (key, text, variable) in opentelemetry::settings(variables) {
            self.insert_text(key, text, variable);
        }
    }

    fn insert(&mut self, key: &str, value: Value, source: &str) {
        if value.is_table() {
            self.error(key, "is a setting, not a section", source);
            return;
        }
        let sourced = Sourced { value, source: Some(source.to_owned()) };
        self.values.insert(key.to_owned(), sourced);
    }

    /// Inserts text as the type that the setting has by default. Text that does not parse
    /// stays text, which is an error when the setting is read.
    fn insert_text(&mut self, key: &str, text: &str, source: &str) {
        let parsed = match self.defaults.values.get(key) {
            Some(Value::Integer(_)) => text.parse().ok().map(Value::Integer),
            Some(Value::Boolean(_)) => text.parse().ok().map(Value::Boolean),
            Some(Value::Float(_)) => text.parse().ok().map(Value::Float),
            Some(Value::Array(_)) => text::parse_value(text).filter(Value::is_array),
            _ => None,
        };
        self.insert(key, parsed.unwrap_or_else(|| Value::String(text.to_owned())), source);
    }

    /// Returns whether the setting exists. Records an error if it does not.
    fn exists(&mut self, key: &str, source: &str) -> bool {
        if self.defaults.values.contains_key(key) {
            return true;
        }
        let problem = if self.defaults.is_section(key) {
            format!("is a section: its settings belong below [{key}]")
        } else if let Some(nearest) = self.nearest(key) {
            format!("is not a setting; did you mean {nearest}?")
        } else {
            let program = self.defaults.program;
            format!("is not a setting; `{program} config default` lists them all")
        };
        self.error(key, problem, source);
        false
    }

    fn error(&mut self, key: &str, problem: impl Into<String>, source: &str) {
        self.errors.push(ConfigError {
            subject: key.to_owned(),
            problem: problem.into(),
            source: Some(source.to_owned()),
        });
    }

    fn nearest(&self, key: &str) -> Option<&str> {
        let keys = self.defaults.values.keys().map(String::as_str);
        keys.map(|other| (strsim::normalized_damerau_levenshtein(key, other), other))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(similarity, _)| *similarity > 0.8)
            .map(|(_, nearest)| nearest)
    }
}

fn read(path: &Path) -> Result<Table, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    // A file with only comments is intended; an empty one may be half written.
    if text.trim().is_empty() {
        return Err("is empty: leave it out, or write a setting into it".to_owned());
    }
    text::parse(&text).map_err(|problem| format!("is not valid TOML: {problem}"))
}
