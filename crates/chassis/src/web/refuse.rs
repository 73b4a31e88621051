//! Refuses requests that are no calls, with a status of HTTP ("Requests" in the gRPC HTTP/2
//! protocol).

use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE},
};

use wire::content_type::is_grpc;

use super::schema::Types;
use crate::{
    body::Body,
    cause::Cause,
    config::Protocols,
    host,
    method::{self, Origin},
    telemetry::Refused,
};

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// A request that is no call, and its response.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// `None` for a preflight, which is not counted as a refused request.
    pub(crate) why: Option<Refused>,
    pub(crate) response: Box<Response<Body>>,
}

/// Refuses a request of HTTP/1 that does not name one host (RFC 9112, section 3.2), or that is for
/// gRPC, which needs HTTP/2.
pub(super) fn refuse_http1(request: &Request<Body>) -> Option<Refusal> {
    if request.version() >= Version::HTTP_2 {
        return None;
    }
    let headers = request.headers();
    let (why, status, text) = if !host::is_valid(request.version(), headers) {
        (Refused::Protocol, StatusCode::BAD_REQUEST, "one valid Host header is needed\n")
    } else if is_for_grpc(request) {
        let status = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
        (Refused::HttpVersion, status, "gRPC needs HTTP/2\n")
    } else {
        return None;
    };
    let mut response = plain(text.to_owned());
    *response.status_mut() = status;
    Some(Refusal { why: Some(why), response: Box::new(response) })
}

fn is_for_grpc(request: &Request<Body>) -> bool {
    request.headers().get(CONTENT_TYPE).is_some_and(|value| is_grpc(value.as_bytes()))
}

/// Refuses a request that is no call: 405 for another method of HTTP, and 415 for another content
/// type or for a GET whose query names no known encoding. The response names those that are
/// accepted.
pub(super) fn refuse(
    request: &Request<Body>,
    protocols: &Protocols,
    method: &method::Method,
    types: Option<&Types>,
) -> Refusal {
    if *request.method() != Method::POST {
        let can_get = protocols.connect
            && method.is_unary()
            && types.is_some_and(|types| types.has_no_side_effects);
        if can_get && *request.method() == Method::GET {
            // "Unary-Get-Request" and "Error Codes" of the Connect protocol: its codec is unknown.
            let text = "the query parameter encoding must be json or proto\n";
            let mut response = plain(text.to_owned());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Refusal { why: Some(Refused::ContentType), response: Box::new(response) };
        }
        let allowed = if can_get { "GET, POST" } else { "POST" };
        let mut response = if is_for_grpc(request) {
            // A client of gRPC gets a status as well.
            Cause::NotPost.response()
        } else {
            plain(format!("{} is not a method for calls; use {allowed}\n", request.method()))
        };
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        return Refusal { why: Some(Refused::Method), response: Box::new(response) };
    }
    let mut accepted = Vec::new();
    if protocols.grpc {
        accepted.push("application/grpc");
    }
    if protocols.grpc_web {
        accepted.extend(["application/grpc-web+proto", "application/grpc-web-text+proto"]);
    }
    if protocols.connect && (types.is_some() || method.origin() == Origin::None) {
        accepted.extend(if method.is_unary() {
            ["application/json", "application/proto"]
        } else {
            ["application/connect+json", "application/connect+proto"]
        });
    }
    let accepted = accepted.join(", ");
    let text = format!("the content type of a call must be one of {accepted}\n");
    let mut response = plain(text);
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let accepted = HeaderValue::try_from(accepted).expect("names of content types are ASCII");
    response.headers_mut().insert(ACCEPT_POST, accepted);
    Refusal { why: Some(Refused::ContentType), response: Box::new(response) }
}

fn plain(text: String) -> Response<Body> {
    let length = text.len();
    let mut response = Response::new(Body::plain(text.into()));
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
