//! A service's own settings: the section `[service]`, deserialized into the service's type.

mod error;
mod node;
mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
};

use serde::de::DeserializeOwned;
use toml::Value;

use super::{
    defaults::{Defaults, OWN},
    error::ConfigError,
    values::Values,
};
use error::Kind;
use node::Node;
use tree::Tree;

/// The service's settings, and the keys of those that are secret.
pub(super) struct Own<S> {
    pub(super) settings: S,
    pub(super) secrets: BTreeSet<String>,
}

/// Deserializes `[service]`.
///
/// serde stops at the first error. To find the others, each is recorded, the value that caused it
/// is replaced by its default, and everything is deserialized again. The search ends if a default
/// is refused too: then the setting has to be set.
///
/// # Panics
///
/// Panics with the key if the defaults do not have the fields or the types of `S`.
pub(super) fn read<S: DeserializeOwned>(
    mut values: Values,
    defaults: &Defaults,
) -> Result<Own<S>, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut replaced: Vec<String> = Vec::new();
    loop {
        let tree = Tree::new(&values);
        let error = match Node::section(&tree, OWN).read(PhantomData::<S>) {
            Ok(settings) if errors.is_empty() => {
                return Ok(Own { settings, secrets: tree.into_secrets() });
            }
            Ok(_) => return Err(errors),
            Err(error) => error,
        };
        let source = replace(&mut values, &error.key, &defaults.values);
        let is_default = source.is_none();
        let kind = error.kind;
        let error = ConfigError { subject: error.key, problem: error.problem, source };
        if matches!(kind, Kind::Fields) || is_default && matches!(kind, Kind::Type) {
            defaults.fail(&error.to_string());
        }
        // If a default that has replaced a value is refused, that is not reported: the value may
        // have been valid.
        let was_replaced = is_default && replaced.iter().any(|key| overlap(key, &error.subject));
        if !was_replaced {
            replaced.push(error.subject.clone());
            errors.push(error);
        }
        if is_default {
            return Err(errors);
        }
    }
}

/// Replaces the value or the section by its defaults. Returns the sources that it had, or `None` if
/// all were defaults already.
fn replace(values: &mut Values, key: &str, defaults: &BTreeMap<String, Value>) -> Option<String> {
    let mut sources = BTreeSet::new();
    for (other, value) in values {
        if is_in(other, key)
            && let Some(source) = value.source.take()
        {
            sources.insert(source);
            value.value = defaults[other].clone();
        }
    }
    (!sources.is_empty()).then(|| Vec::from_iter(sources).join(", "))
}

/// Returns whether `key` is `section` or below it.
fn is_in(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn overlap(a: &str, b: &str) -> bool {
    is_in(a, b) || is_in(b, a)
}
