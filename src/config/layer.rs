//! The layers that settings come from, later ones winning: the built-in
//! defaults, files, the environment, flags.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use config::{Config, ConfigError, File, FileFormat, Map, Source, Value, ValueKind};

use super::{DEFAULTS, Fault};

/// `SAMPLE__` and not `SAMPLE_`: for a Service that is called `sample`,
/// Kubernetes gives every pod variables such as `SAMPLE_PORT=tcp://10.0.0.1:9999`.
const ENVIRONMENT_PREFIX: &str = "SAMPLE__";

/// What the settings are made from.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// Files in TOML; a later one wins over an earlier one.
    pub files: Vec<PathBuf>,
    /// Variables. Those that neither start with `SAMPLE__` nor are OpenTelemetry's
    /// are ignored.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags, as typed on the command line.
    pub flags: Vec<Flag>,
}

/// A setting that was given on the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The flag, such as `--max-workers`.
    pub name: &'static str,
    /// The setting that it sets, such as `server.max_workers`.
    pub key: &'static str,
    /// Its argument, not yet checked.
    pub text: String,
}

impl Layers {
    /// All values, merged, and the faults of the layers themselves.
    pub(super) fn merge(&self) -> (Value, Vec<Fault>) {
        let mut checked = Checked { known: defaults(), faults: Vec::new() };

        let mut builder = Config::builder().add_source(Layer(checked.known.clone()));
        for path in &self.files {
            builder = builder.add_source(checked.file(path));
        }
        let merged = builder
            .add_source(checked.opentelemetry(&self.environment))
            .add_source(checked.environment(&self.environment))
            .add_source(checked.flags(&self.flags))
            .build()
            .expect("the layers are in memory by now");
        (merged.cache, checked.faults)
    }
}

/// Values by their full key.
type Values = BTreeMap<String, Value>;

/// The values of one layer. Only settings that exist get in here.
#[derive(Debug, Clone)]
struct Layer(Values);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone().into_iter().collect())
    }
}

fn defaults() -> Values {
    let sections = File::from_str(DEFAULTS, FileFormat::Toml)
        .collect()
        .expect("config/default.toml is compiled in, and valid");
    let mut values = Values::new();
    for (section, settings) in sections {
        let settings = settings.into_table().expect("config/default.toml has sections only");
        for (name, value) in settings {
            values.insert(format!("{section}.{name}"), value);
        }
    }
    values
}

/// Makes layers, and keeps what is wrong with them.
struct Checked {
    known: Values,
    faults: Vec<Fault>,
}

impl Checked {
    fn file(&mut self, path: &Path) -> Layer {
        let origin = path.display().to_string();
        let table = match read(path) {
            Ok(table) => table,
            Err(problem) => {
                self.faults.push(Fault { subject: origin, problem, source: None });
                return Layer(Values::new());
            }
        };

        let mut values = Values::new();
        for (section, value) in table {
            match value.kind {
                ValueKind::Table(settings) if self.is_section(&section) => {
                    for (name, value) in settings {
                        values.insert(format!("{section}.{name}"), value);
                    }
                }
                kind => {
                    // Quoted where it has a dot, as it must be in the file.
                    let key = if section.contains('.') { format!("{section:?}") } else { section };
                    values.insert(key, Value::new(None, kind));
                }
            }
        }
        values.retain(|key, value| self.exists(key, &origin) && self.is_value(key, value, &origin));
        for value in values.values_mut() {
            *value = Value::new(Some(&origin), value.kind.clone());
        }
        Layer(values)
    }

    fn environment(&mut self, variables: &[(OsString, OsString)]) -> Layer {
        let mut values = Values::new();
        for (name, text) in variables {
            let name = name.to_string_lossy();
            let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            // A dot in the name is none between parts.
            let key = path.to_lowercase().replace('.', "\".\"").replace("__", ".");
            if !self.exists(&key, &name) {
                continue;
            }
            match text.to_str() {
                Some(text) => {
                    let value = self.typed(&key, text, &name);
                    values.insert(key, value);
                }
                None => self.fault(&key, "is not UTF-8", &name),
            }
        }
        Layer(values)
    }

    /// What OpenTelemetry's own variables say, for those settings that they mean.
    fn opentelemetry(&self, variables: &[(OsString, OsString)]) -> Layer {
        let variables = super::opentelemetry::settings(variables);
        let value = |(key, text, name)| (String::from(key), self.typed(key, text, name));
        Layer(variables.into_iter().map(value).collect())
    }

    fn flags(&self, flags: &[Flag]) -> Layer {
        let value = |flag: &Flag| self.typed(flag.key, &flag.text, flag.name);
        Layer(flags.iter().map(|flag| (flag.key.to_owned(), value(flag))).collect())
    }

    /// Text as the type that the setting has by default. What does not parse
    /// stays text, and is a fault once the setting is read.
    fn typed(&self, key: &str, text: &str, origin: &str) -> Value {
        let parsed = match self.known[key].kind {
            ValueKind::I64(_) => text.parse().ok().map(ValueKind::I64),
            ValueKind::Boolean(_) => text.parse().ok().map(ValueKind::Boolean),
            ValueKind::Float(_) => text.parse().ok().map(ValueKind::Float),
            _ => None,
        };
        let kind = parsed.unwrap_or_else(|| ValueKind::String(text.to_owned()));
        Value::new(Some(&origin.to_owned()), kind)
    }

    fn is_section(&self, name: &str) -> bool {
        self.known.keys().any(|key| key.split('.').next() == Some(name))
    }

    /// Whether there is such a setting; where there is none, that is a fault.
    fn exists(&mut self, key: &str, origin: &str) -> bool {
        if self.known.contains_key(key) {
            return true;
        }
        let problem = if self.is_section(key) {
            format!("is a section: its settings belong below [{key}]")
        } else if let Some(nearest) = self.nearest(key) {
            format!("is not a setting; did you mean {nearest}?")
        } else {
            "is not a setting; `sample-service config default` lists them all".to_owned()
        };
        self.fault(key, problem, origin);
        false
    }

    fn is_value(&mut self, key: &str, value: &Value, origin: &str) -> bool {
        let is_value = !matches!(value.kind, ValueKind::Table(_));
        if !is_value {
            self.fault(key, "is a setting, not a section", origin);
        }
        is_value
    }

    fn fault(&mut self, key: &str, problem: impl Into<String>, origin: &str) {
        self.faults.push(Fault {
            subject: key.to_owned(),
            problem: problem.into(),
            source: Some(origin.to_owned()),
        });
    }

    fn nearest(&self, key: &str) -> Option<&str> {
        self.known
            .keys()
            .map(|candidate| {
                (strsim::normalized_damerau_levenshtein(key, candidate), candidate.as_str())
            })
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(similarity, _)| *similarity > 0.8)
            .map(|(_, candidate)| candidate)
    }
}

fn read(path: &Path) -> Result<Map<String, Value>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    // Comments alone are a choice; nothing at all is a write that was cut short.
    if text.trim().is_empty() {
        return Err("is empty: leave it out, or write a setting into it".to_owned());
    }
    File::from_str(&text, FileFormat::Toml)
        .collect()
        .map_err(|error| format!("is not valid TOML: {}", error.to_string().trim_end()))
}
