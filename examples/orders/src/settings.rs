//! The service's own settings: the section `[service]` of `config/default.toml`.

use std::{path::PathBuf, time::Duration};

use chassis::config::{Secret, duration};
use serde::{Deserialize, Deserializer, de::Error};

/// `[service]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The file of the store.
    pub store: PathBuf,
    /// The bearer token that callers must send.
    #[serde(deserialize_with = "required")]
    pub token: Secret,
    /// The service that greets customers.
    pub greeter: channel::Settings,
    /// How long orders are kept.
    pub retention: Retention,
}

/// `[service.retention]`
#[derive(Debug, Clone, Deserialize)]
pub struct Retention {
    /// The age at which an order is removed.
    #[serde(deserialize_with = "duration")]
    pub age: Duration,
    /// The time between two searches for old orders.
    #[serde(deserialize_with = "duration")]
    pub interval: Duration,
}

/// Refuses the empty text, so that the server does not start before the setting is set.
fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    let secret = Secret::deserialize(deserializer)?;
    if secret.expose().is_empty() { Err(D::Error::custom("must be set")) } else { Ok(secret) }
}
