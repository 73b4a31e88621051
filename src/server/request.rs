//! From a request of HTTP/2 to a call of gRPC.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use futures_util::future::Either;
use h2::RecvStream;
use http::{
    Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};
use tonic::body::Body;
use tower::Service;

use super::routes::{Answer, Routes};
use crate::{
    incoming::Incoming,
    middleware::{Record, RecordedBody},
};

type Answered = Result<Response<RecordedBody<Answer>>, Infallible>;
type AnsweredCall = <Record<Routes> as Service<Request<Incoming>>>::Future;

/// Routes the request, where it is a call.
///
/// No `async fn`: each would move a call's state once more.
pub(super) fn answer(
    routes: &mut Record<Routes>,
    request: Request<RecvStream>,
) -> Either<AnsweredCall, Ready<Answered>> {
    if let Some(refusal) = refuse(&request) {
        let body = |body| RecordedBody::unrecorded(Answer::Right(body));
        return Either::Right(ready(Ok(refusal.map(body))));
    }
    Either::Left(routes.call(request.map(Incoming)))
}

/// What is not a gRPC request is told so in HTTP ("Requests" in the gRPC HTTP/2
/// protocol): 415 for another content type.
fn refuse<B>(request: &Request<B>) -> Option<Response<Body>> {
    if request.method() != Method::POST {
        let mut refusal = refusal(StatusCode::METHOD_NOT_ALLOWED);
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Some(refusal);
    }
    let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    match content_type.and_then(|value| value.strip_prefix(b"application/grpc")) {
        // Not application/grpc-web, which is another protocol.
        Some([] | [b'+' | b';', ..]) => None,
        _ => Some(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
    }
}

fn refusal(status: StatusCode) -> Response<Body> {
    let mut refusal = Response::new(Body::empty());
    *refusal.status_mut() = status;
    refusal
}
