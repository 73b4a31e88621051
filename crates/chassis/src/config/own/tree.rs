//! The settings that a service's type is deserialized from, and which of them are secret.

use std::{cell::RefCell, collections::BTreeSet};

use toml::Value;

use crate::config::{secret, values::Values};

/// All values, and the keys of the secrets seen so far.
pub(super) struct Tree<'a> {
    values: &'a Values,
    secrets: RefCell<BTreeSet<String>>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(values: &'a Values) -> Self {
        Self { values, secrets: RefCell::default() }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a String> {
        self.values.keys()
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.values.get(key).map(|sourced| &sourced.value)
    }

    /// Records that the value is secret.
    pub(super) fn hide(&self, key: &str) {
        self.secrets.borrow_mut().insert(key.to_owned());
    }

    pub(super) fn is_secret(&self, key: &str) -> bool {
        self.secrets.borrow().contains(key)
    }

    /// Removes all secrets from the text of an error.
    pub(super) fn redact(&self, mut text: String) -> String {
        for key in &*self.secrets.borrow() {
            for secret in texts(self.value(key)) {
                let escaped = format!("{secret:?}");
                text = text.replace(&escaped, secret::HIDDEN).replace(secret, secret::HIDDEN);
            }
        }
        text
    }

    /// Returns the keys of all secrets.
    pub(super) fn into_secrets(self) -> BTreeSet<String> {
        self.secrets.into_inner()
    }
}

/// Returns the texts in a value, except empty ones.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) if !text.is_empty() => vec![text],
        Some(Value::Array(elements)) => {
            elements.iter().flat_map(|element| texts(Some(element))).collect()
        }
        _ => Vec::new(),
    }
}
