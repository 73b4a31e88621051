//! The argument `--metadata`.

use http::{HeaderName, HeaderValue};

use crate::binary::is_base64;

/// The keys that the protocol reserves ("Custom-Metadata" in the gRPC HTTP/2 protocol), beside
/// those that begin with `grpc-`.
const OF_GRPC: [&str; 4] = ["content-type", "te", "user-agent", "host"];

/// The fields that HTTP/2 does not allow (RFC 9113, section 8.2.2).
const OF_CONNECTIONS: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// Parses an entry of metadata, such as `x-tenant=blue`. The value of a key that ends in `-bin`
/// is base64, or several of them separated by commas.
///
/// # Errors
///
/// Returns a text for people if gRPC or HTTP/2 does not allow the key or the value. A peer would
/// refuse such a call, or read another value.
pub fn parse_metadata(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (key, value) = text.split_once('=').ok_or("expected a key, = and a value")?;
    let key = parse_key(key)?;
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(format!("the value of {key} is not printable ASCII"));
    }
    // RFC 9113, section 8.2.1.
    if value.trim() != value {
        return Err(format!(
            "the value of {key} begins or ends with a blank, which HTTP/2 does not allow"
        ));
    }
    let is_binary = |value| HeaderValue::try_from(value).is_ok_and(is_base64);
    if key.as_str().ends_with("-bin") && !value.split(',').all(is_binary) {
        return Err(format!("the value of {key} is not base64"));
    }
    let value = HeaderValue::try_from(value)
        .map_err(|error| format!("the value of {key} cannot be sent: {error}"))?;
    Ok((key, value))
}

fn parse_key(key: &str) -> Result<HeaderName, String> {
    if key.is_empty() {
        return Err("there is no key before =".to_owned());
    }
    // "Header-Name" in the gRPC HTTP/2 protocol allows fewer characters than HTTP/2. Letters are
    // sent in lower case.
    let is_allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if let Some(wrong) = key.chars().find(|c| !is_allowed(c)) {
        return Err(format!(
            "{key:?} is not a key of metadata: it has {wrong:?}, and gRPC allows only letters, \
             digits, \"_\", \"-\" and \".\""
        ));
    }
    let key: HeaderName =
        key.parse().map_err(|error| format!("{key:?} is not a key of metadata: {error}"))?;
    let name = key.as_str();
    if name.starts_with("grpc-") || OF_GRPC.contains(&name) {
        return Err(format!("{key} is reserved by gRPC"));
    }
    if OF_CONNECTIONS.contains(&name) {
        return Err(format!("{key} is not allowed in HTTP/2: it is for connections of HTTP/1"));
    }
    // RFC 9113, section 8.1.1.
    if name == "content-length" {
        return Err(format!("{key} cannot be set: HTTP/2 refuses a request of another length"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_key_and_a_value() {
        for (text, key, value) in [
            ("x-Tenant=blue = 1", "x-tenant", "blue = 1"),
            ("x_1.y=z", "x_1.y", "z"),
            ("x-bin=AAEC", "x-bin", "AAEC"),
            ("x-bin=AAEC,AQ==,AQ", "x-bin", "AAEC,AQ==,AQ"),
            ("x=", "x", ""),
            ("x-bin=", "x-bin", ""),
        ] {
            assert_eq!(
                parse_metadata(text).map(|(key, value)| (key.to_string(), value)),
                Ok((key.to_owned(), HeaderValue::from_static(value)))
            );
        }
    }

    #[test]
    fn metadata_that_grpc_or_http2_does_not_allow_is_refused() {
        for (text, problem) in [
            ("grpc-timeout=1S", "grpc-timeout is reserved by gRPC"),
            ("Content-Type=x", "content-type is reserved by gRPC"),
            (
                "Connection=close",
                "connection is not allowed in HTTP/2: it is for connections of HTTP/1",
            ),
            (
                "Content-Length=5",
                "content-length cannot be set: HTTP/2 refuses a request of another length",
            ),
            ("x", "expected a key, = and a value"),
            ("=x", "there is no key before ="),
            (
                "a b=c",
                "\"a b\" is not a key of metadata: it has ' ', and gRPC allows only letters, \
                 digits, \"_\", \"-\" and \".\"",
            ),
            (
                "x!bang=1",
                "\"x!bang\" is not a key of metadata: it has '!', and gRPC allows only letters, \
                 digits, \"_\", \"-\" and \".\"",
            ),
            ("x-bin=%", "the value of x-bin is not base64"),
            ("x-bin=AAEC,%", "the value of x-bin is not base64"),
            ("x-bin=AAEC, AAEC", "the value of x-bin is not base64"),
            ("x=é", "the value of x is not printable ASCII"),
            ("x= blue", "the value of x begins or ends with a blank, which HTTP/2 does not allow"),
            ("x=blue ", "the value of x begins or ends with a blank, which HTTP/2 does not allow"),
        ] {
            assert_eq!(parse_metadata(text), Err(problem.to_owned()), "{text}");
        }
    }
}
