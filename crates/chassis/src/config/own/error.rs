//! The error of a service's own settings, in the same words as errors of the chassis's settings.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use crate::config::value;

/// What is wrong with a setting, and its key.
#[derive(Debug)]
pub(super) struct Error {
    /// Empty until the error is [at](Error::at) a node.
    pub(super) key: String,
    pub(super) kind: Kind,
    /// Until the error is at a node, what was expected; after that, what is wrong.
    pub(super) problem: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The defaults have other fields than the service's type.
    Fields,
    /// A value of another type was expected.
    Type,
    /// Another value of the same type was expected.
    Value,
    /// Anything else, such as an error of the service's own.
    Custom,
}

impl Error {
    fn new(kind: Kind, problem: impl Into<String>) -> Self {
        Self { key: String::new(), kind, problem: problem.into() }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: Display>(problem: T) -> Self {
        Self::new(Kind::Custom, problem.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Kind::Type, plain(&expected.to_string()))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Kind::Value, plain(&expected.to_string()))
    }

    fn unknown_variant(_: &str, variants: &'static [&'static str]) -> Self {
        Self::new(Kind::Value, value::names(variants.iter().copied()))
    }

    fn unknown_field(name: &str, _: &'static [&'static str]) -> Self {
        Self::new(Kind::Fields, format!("the type of the settings has no field for {name}"))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new(Kind::Fields, format!("{name} has no default"))
    }
}

/// Translates serde's expectation into the words of the chassis's errors.
fn plain(expected: &str) -> String {
    let number = expected.strip_prefix("a nonzero ").unwrap_or(expected);
    let least = u8::from(number != expected);
    let most = match number {
        "u8" => u64::from(u8::MAX),
        "u16" => u64::from(u16::MAX),
        "u32" => u64::from(u32::MAX),
        "u64" | "usize" => u64::MAX,
        _ => 0,
    };
    match number {
        _ if most > 0 => format!("a whole number from {least} to {most}"),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a string" => "text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        _ => expected.to_owned(),
    }
}
