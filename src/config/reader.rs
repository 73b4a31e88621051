//! Reads typed values out of the merged layers, and remembers for each where
//! it came from and what was wrong with it.

use config::{Value, ValueKind};

use super::{Fault, Faults, Loaded, Settings, value::Setting};

/// One value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The section, such as `server`.
    pub section: &'static str,
    /// The name within the section, such as `max_workers`.
    pub name: &'static str,
    /// The value as it was written. Its text is valid TOML too.
    pub value: serde_json::Value,
    /// `default`, or the file, variable or flag that set it.
    pub source: String,
}

pub(super) struct Reader {
    merged: Value,
    effective: Vec<Effective>,
    faults: Vec<Fault>,
}

impl Reader {
    pub(super) fn new(merged: Value, faults: Vec<Fault>) -> Self {
        Self { merged, effective: Vec::new(), faults }
    }

    /// The value of a setting, or nothing where it is at fault.
    pub(super) fn get<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        let (section, name, value) = self.find(key);

        self.effective.push(Effective {
            section,
            name,
            value: as_json(&value.kind),
            source: value.origin().unwrap_or("default").to_owned(),
        });
        match T::read(&value.kind) {
            Ok(read) => Some(read),
            Err(expected) => {
                self.fault(key, &format!("expected {expected}, found {}", describe(&value.kind)));
                None
            }
        }
    }

    /// Reports a value that does not fit with others.
    pub(super) fn fault(&mut self, key: &'static str, problem: &str) {
        let (_, _, value) = self.find(key);
        self.faults.push(Fault {
            subject: key.to_owned(),
            problem: problem.to_owned(),
            source: value.origin().map(ToOwned::to_owned),
        });
    }

    fn find(&self, key: &'static str) -> (&'static str, &'static str, Value) {
        let (section, name) = key.split_once('.').expect("a key is section.name");
        let value = child(&self.merged, section).and_then(|section| child(section, name));
        (section, name, value.expect("config/default.toml has every setting").clone())
    }

    /// The settings, unless there was a fault anywhere.
    pub(super) fn finish(self, settings: Option<Settings>) -> Result<Loaded, Faults> {
        match settings {
            Some(settings) if self.faults.is_empty() => {
                Ok(Loaded { settings, effective: self.effective })
            }
            _ => Err(Faults(self.faults)),
        }
    }
}

fn child<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match &value.kind {
        ValueKind::Table(table) => table.get(name),
        _ => None,
    }
}

/// A setting is text, a number, or true or false; all else is a fault.
fn as_json(kind: &ValueKind) -> serde_json::Value {
    match kind {
        ValueKind::String(text) => text.as_str().into(),
        ValueKind::I64(number) => (*number).into(),
        ValueKind::Float(number) => (*number).into(),
        ValueKind::Boolean(value) => (*value).into(),
        _ => serde_json::Value::Null,
    }
}

fn describe(kind: &ValueKind) -> String {
    match kind {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Boolean(value) => value.to_string(),
        number => format!("the number {number}"),
    }
}
