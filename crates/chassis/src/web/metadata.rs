//! The head of a response of gRPC: which of its headers and trailers are metadata, and its status.

use http::{
    HeaderMap, HeaderName, HeaderValue, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TE},
};
use tonic::Status;

use crate::body::Body;

/// Returns whether a header or a trailer of a response belongs to gRPC itself.
fn is_of_protocol(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "grpc-status"
            | "grpc-message"
            | "grpc-status-details-bin"
            | "grpc-encoding"
            | "grpc-accept-encoding"
    ) || [CONTENT_TYPE, CONTENT_LENGTH, TE].contains(name)
}

/// Returns the metadata in these headers or trailers.
pub(super) fn of(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    headers.iter().filter(|(name, _)| !is_of_protocol(name))
}

/// Adds HTTP's `retry-after`, which has seconds, if the headers have gRPC's retry hint.
pub(super) fn add_retry_after(headers: &mut HeaderMap) {
    let pushback = headers.get("grpc-retry-pushback-ms").and_then(|value| value.to_str().ok());
    if let Some(milliseconds) = pushback.and_then(|text| text.parse::<u64>().ok()) {
        headers.insert(RETRY_AFTER, milliseconds.div_ceil(1000).into());
    }
}

/// Returns the status of a response that has headers only ("Trailers-Only").
pub(super) fn status_in_head(response: &Response<Body>) -> Option<Status> {
    Status::from_header_map(response.headers())
}

/// Returns the status in the trailers of a response, or UNKNOWN if there is none.
pub(super) fn status_of(trailers: &HeaderMap) -> Status {
    let status = Status::from_header_map(trailers);
    status.unwrap_or_else(|| Status::unknown("the response has no status"))
}
