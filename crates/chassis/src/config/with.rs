//! Functions for `#[serde(deserialize_with = "…")]` in a service's settings.

use std::{fmt, time::Duration};

use bytesize::ByteSize;
use serde::{
    Deserializer,
    de::{Error, Unexpected, Visitor},
};
use wire::duration::parse_duration;

use super::value::DURATION;

/// Reads a duration such as `"250ms"` or `"1m 30s"`.
///
/// # Errors
///
/// Returns an error if the value is not a duration, or is longer than a year.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(Parsed { expected: DURATION, parse: parse_duration })
}

/// Reads a size such as `"16KiB"` or `"4MiB"`, in bytes.
///
/// # Errors
///
/// Returns an error if the value is not a size.
pub fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let expected = "a size, such as \"16KiB\" or \"4MiB\"";
    let parse = |text: &str| text.parse::<ByteSize>().ok().map(|size| size.as_u64());
    deserializer.deserialize_str(Parsed { expected, parse })
}

struct Parsed<F> {
    expected: &'static str,
    parse: F,
}

impl<T, F: Fn(&str) -> Option<T>> Visitor<'_> for Parsed<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}
