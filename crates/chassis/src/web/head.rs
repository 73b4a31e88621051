//! The head of a request, from its protocol to gRPC.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use wire::{encoding::Encoding, timeout};

use crate::{body::Body, cause::Cause, message::compression};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const CONNECT_TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const CONNECT_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

/// Returns the encoding of a request, or what is wrong with it.
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
    // They are about a connection of HTTP/1.
    for name in
        ["connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]
    {
        headers.remove(name);
    }
}
