//! The headers that the chassis reads from every request.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use wire::{content_type::is_grpc, timeout};

/// The headers that the chassis reads, found in one pass over all headers of a request. A request
/// has few, and a look-up for each of these names would cost more than all layers.
#[derive(Debug, Default)]
pub(crate) struct KnownHeaders {
    /// Whether `content-type` is gRPC's.
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
    /// Returns the known headers. If a header other than `traceparent` is repeated, its first value
    /// counts.
    // Always inlined, because every call of gRPC runs it. The compiler might not, because calls of
    // other protocols are a second caller.
    #[inline(always)]
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
        known.is_grpc = content_type.is_some_and(|value| is_grpc(value.as_bytes()));
        known.timeout = timeout_text.and_then(|value| timeout::parse(value.as_bytes()));
        known
    }
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
    fn repeated_traceparents_are_ignored() {
        let mut headers = HeaderMap::new();
        for (count, found) in [(1, true), (2, false), (3, false)] {
            headers.append("traceparent", HeaderValue::from_static("00-1-2-01"));
            assert_eq!(KnownHeaders::of(&headers).traceparent.is_some(), found, "{count}");
        }
    }
}
