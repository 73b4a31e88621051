//! Merged values and their sources.

use std::collections::BTreeMap;

use toml::Value;

/// A value, and the file, variable or flag that it comes from. Defaults have no source.
#[derive(Debug, Clone)]
pub(super) struct Sourced {
    pub(super) value: Value,
    pub(super) source: Option<String>,
}

/// Values by their whole key, such as `server.max_workers`.
pub(super) type Values = BTreeMap<String, Sourced>;
