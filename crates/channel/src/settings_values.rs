//! Values of settings.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};
use wire::duration::parse_timeout;

/// A number from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Percent(u32);

impl Percent {
    /// Returns a percentage that is a constant of the code.
    pub(crate) const fn new(percent: u32) -> Self {
        assert!(percent <= 100, "a share is no more than the whole");
        Self(percent)
    }

    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Percent {
    type Error = &'static str;

    fn try_from(percent: u32) -> Result<Self, Self::Error> {
        if percent <= 100 { Ok(Self(percent)) } else { Err("expected a percentage up to 100") }
    }
}

/// Reads a duration above 0.
pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_timeout(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Reads a text, or `None` if it is empty.
pub(crate) fn optional<'de, D: Deserializer<'de>, T: From<String>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(if text.is_empty() { None } else { Some(text.into()) })
}
