//! The headers that the chassis reads of every request.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use wire::timeout;

/// The headers of a request that matter, found in one pass: a request has few headers, and a
/// look-up for each of these names would cost more than all layers.
#[derive(Debug, Default)]
pub(crate) struct KnownHeaders {
    /// Whether `content-type` is gRPC's: `application/grpc`, with a suffix or parameters, and not
    /// `application/grpc-web`, which is another protocol.
    pub(crate) is_grpc: bool,
    /// `grpc-timeout`, if it is valid.
    pub(crate) timeout: Option<Duration>,
    pub(crate) traceparent: Option<HeaderValue>,
    pub(crate) request_id: Option<HeaderValue>,
    /// Whether there is a `grpc-encoding`.
    pub(crate) has_encoding: bool,
}

impl KnownHeaders {
    /// Returns the known headers. Of a header that is there more than once, the first counts.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut known = Self::default();
        let (mut content_type, mut timeout_text) = (None, None);
        for (name, value) in headers {
            match name.as_str() {
                "content-type" => content_type = content_type.or(Some(value)),
                "grpc-encoding" => known.has_encoding = true,
                "grpc-timeout" => timeout_text = timeout_text.or(Some(value)),
                "traceparent" => first(&mut known.traceparent, value),
                "x-request-id" => first(&mut known.request_id, value),
                _ => {}
            }
        }
        known.is_grpc = content_type.is_some_and(is_grpc);
        known.timeout = timeout_text.and_then(|value| timeout::parse(value.as_bytes()));
        known
    }
}

fn is_grpc(content_type: &HeaderValue) -> bool {
    matches!(
        content_type.as_bytes().strip_prefix(b"application/grpc"),
        Some([] | [b'+' | b';', ..])
    )
}

fn first(known: &mut Option<HeaderValue>, value: &HeaderValue) {
    if known.is_none() {
        *known = Some(value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_content_types_of_grpc_are_grpc() {
        for (text, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(&HeaderValue::from_static(text)), expected, "{text}");
        }
    }

    #[test]
    fn the_first_value_of_each_known_header_is_found() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", "nonsense"),
            ("grpc-timeout", "1S"),
            ("x-request-id", "one"),
            ("x-request-id", "two"),
            ("grpc-encoding", "gzip"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let known = KnownHeaders::of(&headers);
        assert!(known.is_grpc);
        assert_eq!(known.request_id.expect("an id"), "one");
        assert_eq!((known.timeout, known.has_encoding), (None, true));
        assert!(known.traceparent.is_none());
    }
}
