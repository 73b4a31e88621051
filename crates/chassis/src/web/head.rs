//! Translates the head of a request from its protocol to gRPC.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};
use wire::{
    encoding::{ACCEPT_ENCODING as GRPC_ACCEPT_ENCODING, Encoding},
    timeout,
};

use crate::{body::Body, cause::Cause, message::compression};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const CONNECT_TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const CONNECT_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

/// Returns the encoding of a request, or the error in it.
pub(super) fn read_encoding(headers: &HeaderMap) -> (Option<Encoding>, Option<Cause>) {
    match compression::request_encoding(headers) {
        Ok(encoding) => (encoding, None),
        Err(cause) => (None, Some(cause)),
    }
}

pub(super) fn rename(headers: &mut HeaderMap, from: HeaderName, to: HeaderName) {
    headers.remove(&to);
    if let Some(value) = headers.remove(from) {
        headers.insert(to, value);
    }
}

/// Moves the encodings of `accept-encoding` to gRPC's header: without weights (RFC 9110, section
/// 12.5.3), and without encodings whose weight is zero.
pub(super) fn read_accepted(headers: &mut HeaderMap) {
    headers.remove(GRPC_ACCEPT_ENCODING);
    let Some(value) = headers.remove(ACCEPT_ENCODING) else { return };
    let is_accepted = |parameters: &str| {
        let weight = parameters.trim().strip_prefix("q=");
        weight.is_none_or(|weight| weight.trim().parse() != Ok(0.0))
    };
    let names = value.to_str().unwrap_or_default().split(',').filter_map(|part| {
        let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
        is_accepted(parameters).then(|| name.trim())
    });
    let names = names.collect::<Vec<_>>().join(",");
    headers.insert(
        GRPC_ACCEPT_ENCODING,
        HeaderValue::try_from(names).expect("parts of a header are valid in a header"),
    );
}

/// Replaces the timeout of Connect by that of gRPC. Returns what is wrong with it, or with the
/// version of the protocol.
pub(super) fn connect_fault(headers: &mut HeaderMap) -> Option<Cause> {
    headers.remove(GRPC_TIMEOUT);
    let mut fault = None;
    if let Some(value) = headers.remove(CONNECT_TIMEOUT) {
        // "At most 10 digits" in the Connect protocol.
        let digits = value.to_str().ok().filter(|text| (1..=10).contains(&text.len()));
        let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match digits.and_then(|text| text.parse().ok()) {
            Some(milliseconds) => {
                let time = Duration::from_millis(milliseconds);
                headers.insert(GRPC_TIMEOUT, timeout::format(time));
            }
            None => {
                fault = Some("connect-timeout-ms must be a number of at most ten digits");
            }
        }
    }
    if headers.remove(CONNECT_VERSION).is_some_and(|version| version != "1") {
        fault = Some("connect-protocol-version must be 1");
    }
    fault.map(|problem| Cause::InvalidRequest(problem.to_owned()))
}

/// Makes the head one of gRPC.
pub(super) fn make_grpc(request: &mut Request<Body>, keeps_length: bool) {
    let path = request.uri().path().parse::<Uri>();
    *request.uri_mut() = path.unwrap_or_default();
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    if !keeps_length {
        headers.remove(CONTENT_LENGTH);
    }
    // These headers are about a connection of HTTP/1.
    for name in
        ["connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]
    {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_accepted_unless_their_weight_is_zero() {
        for (text, expected) in [
            ("gzip, deflate, br, zstd", "gzip,deflate,br,zstd"),
            ("gzip;q=1.0, zstd ; q=0.5", "gzip,zstd"),
            ("gzip;q=0, zstd;q=0.000, identity", "identity"),
            ("", ""),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
            read_accepted(&mut headers);
            assert_eq!(headers[GRPC_ACCEPT_ENCODING], expected, "{text}");
            assert!(!headers.contains_key(ACCEPT_ENCODING));
        }
    }
}
