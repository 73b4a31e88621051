//! The headers that the chassis reads of every request.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use wire::timeout;

/// The headers of a request that matter, found in one pass: a request has few headers, and a
/// look-up for each of these names would cost more than all layers.
#[derive(Debug, Default)]
pub(crate) struct KnownHeaders {
    /// Whether `content-type` is gRPC's: `application/grpc` in any case, with a suffix or
    /// parameters, and not `application/grpc-web`, which is another protocol.
    pub(crate) is_grpc: bool,
    /// `grpc-timeout`, if it is valid.
    pub(crate) timeout: Option<Duration>,
    /// `traceparent`, if there is exactly one: with two, a new trace begins (W3C Trace Context,
    /// section 3.2.1).
    pub(crate) traceparent: Option<HeaderValue>,
    pub(crate) request_id: Option<HeaderValue>,
    /// Whether there is a `grpc-encoding`.
    pub(crate) has_encoding: bool,
}

impl KnownHeaders {
    /// Returns the known headers. Of any other header that is there more than once, the first
    /// counts.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut known = Self::default();
        let (mut content_type, mut timeout_text) = (None, None);
        let mut traceparents = 0;
        for (name, value) in headers {
            match name.as_str() {
                "content-type" => content_type = content_type.or(Some(value)),
                "grpc-encoding" => known.has_encoding = true,
                "grpc-timeout" => timeout_text = timeout_text.or(Some(value)),
                "traceparent" => {
                    traceparents += 1;
                    known.traceparent = (traceparents == 1).then(|| value.clone());
                }
                "x-request-id" => first(&mut known.request_id, value),
                _ => {}
            }
        }
        known.is_grpc = content_type.is_some_and(is_grpc);
        known.timeout = timeout_text.and_then(|value| timeout::parse(value.as_bytes()));
        known
    }
}

/// Returns whether a media type is gRPC's (RFC 9110, section 8.3.1).
fn is_grpc(content_type: &HeaderValue) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let value = content_type.as_bytes();
    // What nearly every client sends.
    if value == GRPC {
        return true;
    }
    let parameters = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    let media_type = value[..parameters].trim_ascii();
    media_type.split_at_checked(GRPC.len()).is_some_and(|(name, suffix)| {
        name.eq_ignore_ascii_case(GRPC) && matches!(suffix, [] | [b'+', ..])
    })
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
            ("application/grpc+json", true),
            ("application/grpc;charset=utf-8", true),
            ("Application/GRPC", true),
            ("APPLICATION/GRPC+Proto", true),
            ("application/grpc ;x", true),
            ("application/grpc\t; charset=utf-8 ; x=y", true),
            ("application/grpc+proto ;x", true),
            ("application/grpc;", true),
            ("application/grpc ", true),
            ("application/grpc-web", false),
            ("Application/GRPC-Web", false),
            ("application/grpc-web+proto;x", false),
            ("application/grpc x", false),
            ("application /grpc", false),
            ("application/grp", false),
            ("text/plain;application/grpc", false),
            ("application/json", false),
            (";", false),
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

    #[test]
    fn two_traceparents_are_none() {
        let mut headers = HeaderMap::new();
        for (count, found) in [(1, true), (2, false), (3, false)] {
            headers.append("traceparent", HeaderValue::from_static("00-1-2-01"));
            assert_eq!(KnownHeaders::of(&headers).traceparent.is_some(), found, "{count}");
        }
    }
}
