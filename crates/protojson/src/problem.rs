//! Errors in a schema, in a message or in JSON.

use std::fmt::{self, Display, Formatter};

/// An error, with the path of the wrong field of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path from the message to the field, such as `order.items[2].price`.
    path: String,
    text: String,
}

impl Problem {
    /// Returns a problem of the whole message.
    pub fn new(text: impl Into<String>) -> Self {
        Self { path: String::new(), text: text.into() }
    }

    /// Returns the path from the message to the field, such as `order.items[2].price`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what is wrong, without the path.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Puts a field, or an element such as `[2]`, before the path.
    pub fn within(mut self, outer: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{outer}{separator}{}", self.path);
        self
    }

    /// Puts a text before the problem and its path.
    pub fn context(self, text: &str) -> Self {
        Self::new(format!("{text}: {self}"))
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for Problem {}

/// Returns names as a text for people.
pub fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
