//! Refuses what is not a gRPC request.

use http::{
    Method, Response, StatusCode,
    header::{ALLOW, HeaderValue},
};

use crate::body::Body;

/// Refuses a request that is not gRPC, in HTTP's terms ("Requests" in the gRPC HTTP/2
/// protocol): 415 for another content type.
pub(super) fn refuse(method: &Method, is_grpc: bool) -> Option<Response<Body>> {
    if method != Method::POST {
        let mut refusal = with_status(StatusCode::METHOD_NOT_ALLOWED);
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Some(refusal);
    }
    (!is_grpc).then(|| with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

fn with_status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
