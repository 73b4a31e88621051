//! How a setting is read from a TOML value, and how a value is described in errors.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use tokio::sync::Semaphore;
use toml::Value;
use tracing::level_filters::LevelFilter;
use wire::{duration::parse_duration, socket::Socket};

/// The expected value that errors name for a duration.
pub(super) const DURATION: &str =
    "a duration with its unit (ms, s, m, h or d), up to a year, such as \"250ms\" or \"5s\"";

/// A type that a setting of the chassis can have.
pub(super) trait Setting: Sized {
    /// Returns the setting, or what was expected if `value` is not one.
    fn read(value: &Value) -> Result<Self, String>;
}

/// Returns the number if it is in the range, or else what was expected.
pub(super) fn whole_number(value: &Value, least: usize, most: usize) -> Result<usize, String> {
    let number = value.as_integer().and_then(|number| usize::try_from(number).ok());
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("a whole number from {least} to {most}"))
}

/// Parses a value that is text.
pub(super) fn parse<T>(value: &Value, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    value.as_str().and_then(parse)
}

/// Returns the choice with the name that `value` has, or else the names of all choices.
pub(super) fn one_of<T: Copy>(choices: &[(&str, T)], value: &Value) -> Result<T, String> {
    let choice = parse(value, |text| choices.iter().find(|(name, _)| *name == text));
    choice.map(|(_, choice)| *choice).ok_or_else(|| names(choices.iter().map(|(name, _)| *name)))
}

/// Returns `one of "a", "b"`.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("{name:?}")).collect();
    format!("one of {}", names.join(", "))
}

/// Describes a value for errors.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => format!("the number {number}"),
        Value::Float(number) => format!("the number {number:?}"),
        Value::Boolean(value) => value.to_string(),
        Value::Datetime(_) => "a date or time".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}

/// Returns a value as JSON, whose text is valid TOML too.
pub(super) fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Boolean(value) => (*value).into(),
        Value::Array(values) => values.iter().map(as_json).collect(),
        // No setting has such a value.
        Value::Datetime(_) | Value::Table(_) => serde_json::Value::Null,
    }
}

impl Setting for usize {
    fn read(value: &Value) -> Result<Self, String> {
        whole_number(value, 0, Semaphore::MAX_PERMITS)
    }
}

impl Setting for NonZeroU32 {
    fn read(value: &Value) -> Result<Self, String> {
        let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
        number.and_then(Self::new).ok_or_else(|| format!("a whole number from 1 to {}", u32::MAX))
    }
}

impl Setting for bool {
    fn read(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| "true or false".to_owned())
    }
}

impl Setting for SocketAddr {
    fn read(value: &Value) -> Result<Self, String> {
        parse(value, |text| text.parse().ok()).ok_or_else(|| {
            "an IP address and a port, such as \"[::]:9999\" or \"127.0.0.1:0\"".to_owned()
        })
    }
}

impl Setting for Socket {
    fn read(value: &Value) -> Result<Self, String> {
        let socket = parse(value, |text| match Self::unix(text) {
            Some(socket) => socket.ok(),
            None => text.parse().ok().map(Self::Ip),
        });
        socket.ok_or_else(|| {
            "an IP address and a port, such as \"[::]:9999\" or \"127.0.0.1:0\", or unix: and the \
             path of a Unix socket of at most 107 bytes, such as \"unix:/run/server.sock\""
                .to_owned()
        })
    }
}

/// Empty text means no address, because TOML has no null.
impl Setting for Option<SocketAddr> {
    fn read(value: &Value) -> Result<Self, String> {
        if value.as_str() == Some("") { Ok(None) } else { SocketAddr::read(value).map(Some) }
    }
}

/// Empty text means no file.
impl Setting for Option<PathBuf> {
    fn read(value: &Value) -> Result<Self, String> {
        let path = value.as_str().ok_or("the path of a file, or \"\" for none")?;
        Ok((!path.is_empty()).then(|| path.into()))
    }
}

impl Setting for Duration {
    fn read(value: &Value) -> Result<Self, String> {
        parse(value, parse_duration).ok_or_else(|| DURATION.to_owned())
    }
}

impl Setting for LevelFilter {
    fn read(value: &Value) -> Result<Self, String> {
        let levels = [
            ("off", Self::OFF),
            ("error", Self::ERROR),
            ("warn", Self::WARN),
            ("info", Self::INFO),
            ("debug", Self::DEBUG),
            ("trace", Self::TRACE),
        ];
        one_of(&levels, value)
    }
}
