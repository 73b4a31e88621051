//! Refuses what is not a gRPC request.

use http::{
    Method, Response, StatusCode,
    header::{ALLOW, HeaderValue},
};

use crate::{body::Body, cause::Cause, telemetry::Refused};

/// Refuses a request that is not gRPC, in HTTP's terms ("Requests" in the gRPC HTTP/2
/// protocol): 415 for another content type. A client of gRPC gets a status as well.
pub(super) fn refuse(method: &Method, is_grpc: bool) -> Option<(Refused, Response<Body>)> {
    if method != Method::POST {
        let refusal = if is_grpc { Cause::NotPost.response() } else { Response::default() };
        let mut refusal = with_status(refusal, StatusCode::METHOD_NOT_ALLOWED);
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Some((Refused::Method, refusal));
    }
    let refusal = || with_status(Response::default(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    (!is_grpc).then(|| (Refused::ContentType, refusal()))
}

fn with_status(mut response: Response<Body>, status: StatusCode) -> Response<Body> {
    *response.status_mut() = status;
    response
}
