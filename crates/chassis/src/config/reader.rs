//! Reads typed settings from the merged layers and collects what is wrong with them.

use toml::Value;

use super::{
    error::ConfigError,
    value::{Setting, describe},
    values::Values,
};

/// The merged layers, and the errors found so far.
pub(super) struct Reader<'a> {
    values: &'a Values,
    errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(values: &'a Values) -> Self {
        Self { values, errors: Vec::new() }
    }

    /// Returns the setting. Records an error and returns `None` if its value is not valid.
    pub(super) fn get<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        let value = self.value(key);
        match T::read(value) {
            Ok(setting) => Some(setting),
            Err(expected) => {
                self.error(key, &format!("expected {expected}, found {}", describe(value)));
                None
            }
        }
    }

    /// Returns the setting if its value is valid, and records nothing.
    pub(super) fn valid<T: Setting>(&self, key: &'static str) -> Option<T> {
        T::read(self.value(key)).ok()
    }

    /// Records what is wrong with a setting.
    pub(super) fn error(&mut self, key: &'static str, problem: &str) {
        self.errors.push(ConfigError {
            subject: key.to_owned(),
            problem: problem.to_owned(),
            source: self.values[key].source.clone(),
        });
    }

    pub(super) fn into_errors(self) -> Vec<ConfigError> {
        self.errors
    }

    fn value(&self, key: &'static str) -> &'a Value {
        // The lowest layer has every declared setting.
        &self.values[key].value
    }
}
