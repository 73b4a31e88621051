//! The service's own settings: the section `[service]` of `config/default.toml`.

use std::time::Duration;

use chassis::config::FlagDeclaration;
use serde::Deserialize;

/// `[service]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The time that each call simulates work.
    #[serde(deserialize_with = "chassis::config::duration")]
    pub work: Duration,
}

/// The commented defaults.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// The flags for these settings.
pub const FLAGS: &[FlagDeclaration] = &[FlagDeclaration {
    name: "--work",
    key: "service.work",
    value_name: "DURATION",
    help: "The time that each call simulates work, such as 100ms",
}];
