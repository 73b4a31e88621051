//! Responses of the admin listener.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
};

pub(super) type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    reply(status, PLAIN_TEXT, body)
}

pub(super) fn json(body: impl Into<Bytes>) -> Reply {
    uncached(reply(StatusCode::OK, "application/json", body))
}

pub(super) fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    with_body(status, kind, Full::new(body.into()).boxed_unsync())
}

pub(super) fn with_body(
    status: StatusCode,
    kind: &'static str,
    body: UnsyncBoxBody<Bytes, Infallible>,
) -> Reply {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Forbids browsers to cache the response, or to guess another content type.
pub(super) fn uncached(mut response: Reply) -> Reply {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
