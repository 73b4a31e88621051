//! The lowest layer: the defaults of the chassis, with the service's overrides, and the
//! service's own settings.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{
    error::ConfigErrors,
    reader::Reader,
    schema::Schema,
    sections::{SECTIONS, Settings},
    text::{self, Found},
    values::{Sourced, Values},
};

/// The section of the service's own settings.
pub(super) const OWN: &str = "service";

/// Every setting that exists, with its default.
#[derive(Debug)]
pub(super) struct Defaults {
    pub(super) program: &'static str,
    pub(super) environment_prefix: String,
    /// By the whole key, such as `server.max_workers`.
    pub(super) values: BTreeMap<String, Value>,
    /// Section and name of each setting, in the order in which they are shown.
    pub(super) order: Vec<(String, String)>,
}

impl Defaults {
    /// # Panics
    ///
    /// Panics with the key if the service's TOML is not valid, overrides a setting that does not
    /// exist, or overrides one with a value that is not valid. These are errors in its program.
    pub(super) fn new(schema: &Schema) -> Self {
        let mut defaults = Self {
            program: schema.package.name,
            environment_prefix: schema.package.environment_prefix(),
            values: BTreeMap::new(),
            order: Vec::new(),
        };
        for section in SECTIONS {
            for setting in section.settings {
                let value = text::parse_value(setting.default)
                    .unwrap_or_else(|| panic!("the default of {} is not TOML", setting.key));
                defaults.add(section.name, setting.name, value);
            }
        }
        let mut table =
            text::parse(schema.service_defaults).unwrap_or_else(|problem| defaults.fail(&problem));
        if let Some(Value::Table(own)) = table.remove(OWN) {
            for Found { section, name, .. } in text::find(schema.service_defaults, OWN) {
                let value = defaults.own_value(&own, &section, &name);
                defaults.add(&section, &name, value);
            }
        }
        defaults.override_with(table);
        defaults.check_flags(schema);
        defaults
    }

    /// Returns the defaults as a layer without sources.
    pub(super) fn as_layer(&self) -> Values {
        let sourced = |value: &Value| Sourced { value: value.clone(), source: None };
        self.values.iter().map(|(key, value)| (key.clone(), sourced(value))).collect()
    }

    pub(super) fn is_section(&self, name: &str) -> bool {
        self.values.keys().any(|key| key.strip_prefix(name).is_some_and(|k| k.starts_with('.')))
    }

    /// Panics with what is wrong with the service's defaults.
    pub(super) fn fail(&self, problem: &str) -> ! {
        panic!("the default settings of {}: {problem}", self.program)
    }

    fn add(&mut self, section: &str, name: &str, value: Value) {
        self.values.insert(format!("{section}.{name}"), value);
        self.order.push((section.to_owned(), name.to_owned()));
    }

    fn own_value(&self, own: &Table, section: &str, name: &str) -> Value {
        let key = format!("{section}.{name}");
        let is_in_environment = |part: &str| {
            let is_valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            part.chars().all(is_valid) && !part.contains("__")
        };
        if !key.split('.').all(is_in_environment) {
            self.fail(&format!(
                "{key}: must consist of lower case letters, digits and single underscores, because \
                 an environment variable can set it"
            ));
        }
        let mut parts = key.split('.').skip(1);
        let first = parts.next().and_then(|part| own.get(part));
        let value = parts.fold(first, |value, part| value?.get(part));
        match value {
            Some(value) if is_plain(value) => value.clone(),
            _ => self
                .fail(&format!("{key}: must be text, a number, true or false, or a list of these")),
        }
    }

    fn override_with(&mut self, table: Table) {
        for (section, value) in table {
            let Value::Table(overrides) = value else {
                self.fail(&format!("{section}: is not a section"));
            };
            for (name, value) in overrides {
                let key = format!("{section}.{name}");
                match self.values.get_mut(&key) {
                    Some(default) => *default = value,
                    None => self.fail(&format!("{key}: is not a setting of the chassis")),
                }
            }
        }
        let values = self.as_layer();
        let mut reader = Reader::new(&values);
        let _ = Settings::read(&mut reader);
        let errors = reader.into_errors();
        if !errors.is_empty() {
            self.fail(&ConfigErrors(errors).to_string());
        }
    }

    fn check_flags(&self, schema: &Schema) {
        for flag in schema.flags {
            if !self.values.contains_key(flag.key) {
                self.fail(&format!("{}: {} is not a setting", flag.name, flag.key));
            }
        }
    }
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => true,
        Value::Array(values) => values.iter().all(is_plain),
        Value::Datetime(_) | Value::Table(_) => false,
    }
}
