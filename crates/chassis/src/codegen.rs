//! The names that generated code uses, and one function for each kind of method.
//!
//! Every call is decoded, handled and encoded here: plain or compressed, with or without
//! an interceptor around the service.

use std::sync::{Arc as StdArc, LazyLock};

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use prost::Message;
use tonic::{codegen::tokio_stream::Stream, metadata::MetadataMap};
use tonic_prost::ProstDecoder;
use wire::{
    encoding::{ENCODING, Encoding},
    framing::PREFIX,
};

use crate::{
    call::Call,
    cause::Cause,
    message::{SendMessages, send_one},
};

pub use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

pub use http;
pub use tonic::{
    self, async_trait,
    codegen::{BoxFuture, tokio_stream},
    server::NamedService,
    service::{Interceptor, interceptor::InterceptedService},
};
pub use tower::Service;

pub use crate::{
    body::Body,
    call::Context as CallContext,
    method::{GrpcService, Kind, MethodDescriptor, ServiceDescriptor},
};

type Response = Result<http::Response<Body>, Infallible>;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// The headers of most responses. A copy of them takes less time and memory than a new map.
static ONLY_GRPC: LazyLock<HeaderMap> =
    LazyLock::new(|| HeaderMap::from_iter([(CONTENT_TYPE, GRPC)]));

/// The headers that the protocol reserves, which a handler cannot set.
const RESERVED: [&str; 6] =
    ["te", "user-agent", "content-type", "grpc-message", "grpc-message-type", "grpc-status"];

/// Returns the position of the called method in the table of `service`, or `None` if it has
/// no such method.
pub fn method_index(request: &http::Request<Body>, service: &ServiceDescriptor) -> Option<usize> {
    let path = request.uri().path();
    let position = CallContext::try_of(request.extensions())
        .map(|context| context.method().position())
        .filter(|&position| service.methods.get(position).is_some_and(|at| at.path == path));
    // A service that was added as another library's is not in the method table by position.
    position.or_else(|| service.methods.iter().position(|method| method.path == path))
}

// These functions decode before they return a future, so that the request is not moved into it.

/// Serves a unary call.
pub fn unary<Req, Res, F, Fut>(
    request: http::Request<Body>,
    handler: F,
) -> impl Future<Output = Response>
where
    F: FnOnce(tonic::Request<Req>) -> Fut,
    Fut: Future<Output = Result<tonic::Response<Res>, tonic::Status>>,
    Req: Message + Default,
    Res: Message,
{
    respond(one(request).map(|(request, call)| (handler(request), call)), one_response)
}

/// Serves a server-streaming call.
pub fn server_streaming<Req, Res, S, F, Fut>(
    request: http::Request<Body>,
    handler: F,
) -> impl Future<Output = Response>
where
    F: FnOnce(tonic::Request<Req>) -> Fut,
    Fut: Future<Output = Result<tonic::Response<S>, tonic::Status>>,
    S: Stream<Item = Result<Res, tonic::Status>> + Send + 'static,
    Req: Message + Default,
    Res: Message + 'static,
{
    respond(one(request).map(|(request, call)| (handler(request), call)), stream_response)
}

/// Serves a client-streaming call.
pub fn client_streaming<Req, Res, F, Fut>(
    request: http::Request<Body>,
    handler: F,
) -> impl Future<Output = Response>
where
    F: FnOnce(tonic::Request<tonic::Streaming<Req>>) -> Fut,
    Fut: Future<Output = Result<tonic::Response<Res>, tonic::Status>>,
    Req: Message + Default + Send + 'static,
    Res: Message,
{
    respond(many(request).map(|(request, call)| (handler(request), call)), one_response)
}

/// Serves a bidirectional streaming call.
pub fn bidi_streaming<Req, Res, S, F, Fut>(
    request: http::Request<Body>,
    handler: F,
) -> impl Future<Output = Response>
where
    F: FnOnce(tonic::Request<tonic::Streaming<Req>>) -> Fut,
    Fut: Future<Output = Result<tonic::Response<S>, tonic::Status>>,
    S: Stream<Item = Result<Res, tonic::Status>> + Send + 'static,
    Req: Message + Default + Send + 'static,
    Res: Message + 'static,
{
    respond(many(request).map(|(request, call)| (handler(request), call)), stream_response)
}

/// Waits for the handler, and makes its response with `finish`.
#[inline]
#[expect(clippy::manual_async_fn, reason = "an async fn moves its arguments once more")]
fn respond<T, Fut>(
    received: Result<(Fut, StdArc<Call>), tonic::Status>,
    finish: impl FnOnce(tonic::Response<T>, StdArc<Call>) -> http::Response<Body>,
) -> impl Future<Output = Response>
where
    Fut: Future<Output = Result<tonic::Response<T>, tonic::Status>>,
{
    async {
        let (handled, call) = match received {
            Ok((handling, call)) => (handling.await, call),
            Err(status) => return Ok(status.into_http()),
        };
        Ok(match handled {
            Ok(response) => finish(response, call),
            Err(status) => status.into_http(),
        })
    }
}

/// Responds that there is no such method.
pub async fn unimplemented(_: http::Request<Body>) -> Response {
    Ok(Cause::UnknownMethod.response())
}

/// Decodes the message of a request, which admission has read, checked and decompressed.
#[inline]
fn one<Req: Message + Default>(
    request: http::Request<Body>,
) -> Result<(tonic::Request<Req>, StdArc<Call>), tonic::Status> {
    let framed = request.body().as_message().ok_or_else(misplaced)?;
    let message = Req::decode(&framed[PREFIX..])
        .map_err(|error| tonic::Status::internal(error.to_string()))?;
    with_message(request, |_| message)
}

/// Decodes the messages of a request as they arrive. Admission checks and decompresses them.
fn many<Req: Message + Default + Send + 'static>(
    request: http::Request<Body>,
) -> Result<(tonic::Request<tonic::Streaming<Req>>, StdArc<Call>), tonic::Status> {
    with_message(request, |body| {
        let decoder = ProstDecoder::<Req>::default();
        tonic::Streaming::new_request(decoder, body, None, Some(usize::MAX))
    })
}

#[inline]
fn with_message<T>(
    request: http::Request<Body>,
    message: impl FnOnce(Body) -> T,
) -> Result<(tonic::Request<T>, StdArc<Call>), tonic::Status> {
    let context = CallContext::try_of(request.extensions()).ok_or_else(misplaced)?;
    let call = StdArc::clone(&context.0);
    let (head, body) = request.into_parts();
    let metadata = MetadataMap::from_headers(head.headers);
    Ok((tonic::Request::from_parts(metadata, head.extensions, message(body)), call))
}

/// Returns the status for a request without the context or the message that the chassis adds.
fn misplaced() -> tonic::Status {
    tonic::Status::internal(
        "the service must be added with `grpc`, and its layers must keep body and extensions",
    )
}

fn headers(metadata: MetadataMap, encoding: Option<Encoding>) -> HeaderMap {
    let mut headers = metadata.into_headers();
    if headers.is_empty() {
        headers = ONLY_GRPC.clone();
    } else {
        for name in RESERVED {
            headers.remove(name);
        }
        headers.insert(CONTENT_TYPE, GRPC);
    }
    if let Some(encoding) = encoding {
        headers.insert(ENCODING, encoding.header());
    }
    headers
}

#[inline]
fn one_response<Res: Message>(
    response: tonic::Response<Res>,
    call: StdArc<Call>,
) -> http::Response<Body> {
    let (metadata, message, extensions) = response.into_parts();
    let encoding = call.response_encoding();
    match send_one(&message, encoding, call) {
        Ok(body) => with_head(metadata, extensions, encoding, body),
        Err(cause) => cause.response(),
    }
}

fn stream_response<S, Res>(response: tonic::Response<S>, call: StdArc<Call>) -> http::Response<Body>
where
    S: Stream<Item = Result<Res, tonic::Status>> + Send + 'static,
    Res: Message + 'static,
{
    let (metadata, messages, extensions) = response.into_parts();
    let encoding = call.response_encoding();
    let body = Body::stream(SendMessages::new(messages, encoding, call));
    with_head(metadata, extensions, encoding, body)
}

#[inline]
fn with_head(
    metadata: MetadataMap,
    extensions: http::Extensions,
    encoding: Option<Encoding>,
    body: Body,
) -> http::Response<Body> {
    let mut response = http::Response::new(body);
    *response.headers_mut() = headers(metadata, encoding);
    *response.extensions_mut() = extensions;
    response
}
