//! A setting that is never shown, such as a password.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// The name by which the deserializer of a service's settings recognizes a secret.
pub(super) const NAME: &str = "$chassis::config::Secret";

/// The expected value that errors name for a secret.
pub(super) const EXPECTED: &str = "text, which is kept secret";

/// The text that is shown in place of a secret.
pub(super) const HIDDEN: &str = "***";

/// A text that is never shown, such as a password: neither by `config show`, nor in errors,
/// nor in the log. Only [`Secret::expose`] returns it.
///
/// `config show` recognizes a secret by this type, so a service should not read one as
/// `String`. A value that serde reads before it knows the type (`flatten`, `untagged`) is
/// hidden too, whatever its type is.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns the text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Secret, D::Error> {
        inner.deserialize_string(self)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret(text.to_owned()))
    }
}
