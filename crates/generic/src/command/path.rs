//! The path of a method.

use std::fmt::{self, Display, Formatter};

/// The path of a method, such as `/package.Service/Method`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodPath {
    pub(crate) service: String,
    pub(crate) method: String,
}

impl MethodPath {
    /// Parses a path that begins with a slash. Returns `None` for other texts, which are messages.
    pub fn of_message(text: &str) -> Option<Self> {
        Self::parse(text.strip_prefix('/')?)
    }

    /// Parses a path without the slash at its beginning.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (service, method) = text.split_once('/')?;
        let is_path = is_name(method) && service.split('.').all(is_name);
        is_path.then(|| Self { service: service.to_owned(), method: method.to_owned() })
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|c| c == b'_' || c.is_ascii_alphabetic())
        && bytes.all(|c| c == b'_' || c.is_ascii_alphanumeric())
}

impl Display for MethodPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/{}", self.service, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_service_and_a_method_and_other_texts_are_messages() {
        for path in ["/Service/Method", "/a.b_1.Service/_Method"] {
            assert_eq!(MethodPath::of_message(path).expect("a path").to_string(), path);
        }
        for message in [
            "",
            "/",
            "//",
            "/a",
            "/a/",
            "/a b/c",
            "a/b",
            "/a/b/c",
            "/a./b",
            "/.a/b",
            "/1/b",
            "/usr/local/bin",
            "/not a path",
            "/a/b?",
        ] {
            assert_eq!(MethodPath::of_message(message), None, "{message:?}");
        }
    }
}
