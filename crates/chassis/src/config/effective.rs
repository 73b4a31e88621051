//! One setting in effect.

use serde_json::Value;

/// The value of one setting, and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The section, such as `server` or `service.inventory`.
    pub section: String,
    /// The name within the section, such as `max_workers`.
    pub name: String,
    /// The value as it was written. Its text is valid TOML too. A secret is `"***"`.
    pub value: Value,
    /// `default`, or the file, variable or flag that set it.
    pub source: String,
}
