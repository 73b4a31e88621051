//! The argument `--metadata`.

use http::{HeaderName, HeaderValue};
use tonic::metadata::{KeyAndValueRef, MetadataMap};

/// Names that the protocol reserves ("Custom-Metadata" in the gRPC HTTP/2 protocol), and
/// names that HTTP/2 does not allow (RFC 9113, section 8.2.2).
const RESERVED: [&str; 9] = [
    "content-type",
    "te",
    "user-agent",
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// Parses an entry of metadata, such as `x-tenant=blue`.
///
/// # Errors
///
/// Returns what is wrong if the key is invalid or reserved, or if the value is not printable
/// ASCII, or not base64 for a key that ends in `-bin`.
pub fn parse_metadata(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (key, value) = text.split_once('=').ok_or("expected a key, = and a value")?;
    let key: HeaderName = key.parse().map_err(|_| format!("{key:?} is not a key of metadata"))?;
    if key.as_str().starts_with("grpc-") || RESERVED.contains(&key.as_str()) {
        return Err(format!("{key} is reserved by gRPC"));
    }
    let is_ascii = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let value = HeaderValue::try_from(value)
        .ok()
        .filter(|_| is_ascii)
        .ok_or_else(|| format!("the value of {key} is not printable ASCII"))?;
    let map = MetadataMap::from_headers([(key.clone(), value.clone())].into_iter().collect());
    if let Some(KeyAndValueRef::Binary(_, binary)) = map.iter().next()
        && binary.to_bytes().is_err()
    {
        return Err(format!("the value of {key} is not base64"));
    }
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_key_and_a_value() {
        for (text, key, value) in [
            ("x-Tenant=blue = 1", "x-tenant", "blue = 1"),
            ("x-bin=AAEC", "x-bin", "AAEC"),
            ("x=", "x", ""),
        ] {
            assert_eq!(
                parse_metadata(text).map(|(key, value)| (key.to_string(), value)),
                Ok((key.to_owned(), HeaderValue::from_static(value)))
            );
        }
    }

    #[test]
    fn reserved_keys_and_wrong_values_are_refused() {
        for (text, problem) in [
            ("grpc-timeout=1S", "grpc-timeout is reserved by gRPC"),
            ("Content-Type=x", "content-type is reserved by gRPC"),
            ("Connection=close", "connection is reserved by gRPC"),
            ("x", "expected a key, = and a value"),
            ("a b=c", "\"a b\" is not a key of metadata"),
            ("x-bin=%", "the value of x-bin is not base64"),
            ("x=é", "the value of x is not printable ASCII"),
        ] {
            assert_eq!(parse_metadata(text), Err(problem.to_owned()), "{text}");
        }
    }
}
