//! The settings of the protocols beside gRPC.

use http::{Uri, uri::Scheme};
use toml::Value;

use super::value::{Setting, names};

/// The protocols that a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocols {
    /// gRPC.
    pub grpc: bool,
    /// gRPC-Web, for pages in browsers.
    pub grpc_web: bool,
    /// Connect: a call is a plain request of HTTP.
    pub connect: bool,
}

impl Protocols {
    /// Returns whether HTTP/1.1 is served beside HTTP/2. gRPC alone needs only HTTP/2.
    pub(crate) fn has_http1(self) -> bool {
        self.grpc_web || self.connect
    }
}

const PROTOCOLS: [&str; 3] = ["grpc", "grpc-web", "connect"];

impl Setting for Protocols {
    fn read(value: &Value) -> Result<Self, String> {
        let expected = || format!("a list of at least {}", names(PROTOCOLS.into_iter()));
        let chosen = texts(value).ok_or_else(expected)?;
        if chosen.is_empty() || !chosen.iter().all(|name| PROTOCOLS.contains(&name.as_str())) {
            return Err(expected());
        }
        let has = |name: &str| chosen.iter().any(|chosen| chosen == name);
        Ok(Self { grpc: has("grpc"), grpc_web: has("grpc-web"), connect: has("connect") })
    }
}

/// The origins whose pages may call: a list, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Returns whether no page of another origin may call.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether pages of an origin may call.
    pub(crate) fn allow(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed == "*" || allowed == origin)
    }
}

impl Setting for Origins {
    fn read(value: &Value) -> Result<Self, String> {
        let origins = texts(value).filter(|origins| origins.iter().all(|one| is_origin(one)));
        origins.map(Self).ok_or_else(|| {
            "a list of origins, each with scheme and host and without a path, such as \
             [\"https://app.example.com\"], or [\"*\"] for all"
                .to_owned()
        })
    }
}

/// Returns whether browsers send such an origin: RFC 6454, section 6.2.
fn is_origin(text: &str) -> bool {
    let is_complete = |uri: Uri| {
        let scheme = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme());
        let authority = uri.authority().is_some_and(|at| !at.as_str().contains('@'));
        scheme && authority && uri.path_and_query().is_none_or(|path| path == "/")
    };
    let is_lower_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let ends = !text.ends_with('/');
    text == "*" || (is_lower_case && ends && text.parse().is_ok_and(is_complete))
}

/// Returns the texts of a list. In a variable or a flag, they may be separated by commas.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) if text.is_empty() => Some(Vec::new()),
        Value::String(text) => Some(text.split(',').map(|part| part.trim().to_owned()).collect()),
        Value::Array(values) => {
            values.iter().map(|value| value.as_str().map(ToOwned::to_owned)).collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[&str]) -> Value {
        Value::Array(values.iter().map(|value| Value::from(*value)).collect())
    }

    #[test]
    fn protocols_are_a_list_or_separated_by_commas() {
        let some = Ok(Protocols { grpc: true, grpc_web: false, connect: true });
        assert_eq!(Protocols::read(&list(&["grpc", "connect"])), some);
        assert_eq!(Protocols::read(&Value::from("connect, grpc")), some);
        for wrong in [list(&[]), list(&["http"]), Value::from(""), Value::from(1)] {
            let error = Protocols::read(&wrong).expect_err("it is wrong");
            assert_eq!(error, r#"a list of at least one of "grpc", "grpc-web", "connect""#);
        }
    }

    #[test]
    fn an_origin_is_as_browsers_send_it() {
        for origin in ["https://a.example", "http://localhost:8080", "http://[::1]:1", "*"] {
            assert!(Origins::read(&list(&[origin])).is_ok(), "{origin}");
        }
        for origin in [
            "a.example",
            "https://a.example/",
            "https://a.example/path",
            "https://A.example",
            "https://user@a.example",
            "ftp://a.example",
            "",
            "null",
        ] {
            assert!(Origins::read(&list(&[origin])).is_err(), "{origin}");
        }
        let origins = Origins::read(&list(&["https://a.example"])).expect("an origin");
        assert!(origins.allow("https://a.example"));
        assert!(!origins.allow("https://a.example.evil") && !origins.allow("http://a.example"));
        assert!(!Origins::read(&list(&[])).expect("none").allow("https://a.example"));
        assert!(Origins::read(&Value::from("*")).expect("all").allow("https://a.example"));
    }
}
