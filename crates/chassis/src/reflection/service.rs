//! The reflection service: a stream of requests, each with its response.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::poll_fn};
use tonic::{Code, Request, Response, Status, Streaming, codegen::BoxFuture};
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
    server_reflection_request::MessageRequest as Ask,
    server_reflection_response::MessageResponse as Reply,
};
use tower::Service;

use super::index::Index;
use crate::{body::Body, call, codegen, text::cut};

/// Serves reflection from an index.
#[derive(Debug, Clone)]
pub(super) struct Reflection(Arc<Index>);

impl Reflection {
    pub(super) fn new(index: Arc<Index>) -> Self {
        Self(index)
    }

    /// Responds to each request until the requests end or the server begins to drain. A request
    /// that has arrived by then gets its response; half a message gets none.
    #[expect(clippy::unused_async, reason = "handlers are async")]
    async fn info(
        self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<impl Stream<Item = Result<ServerReflectionResponse, Status>>>, Status>
    {
        let mut draining = Box::pin(call::Context::of(request.extensions()).draining());
        let mut requests = request.into_inner();
        Ok(Response::new(poll_fn(move |cx| match requests.poll_next_unpin(cx) {
            Poll::Ready(request) => Poll::Ready(request.map(|request| Ok(self.respond(request?)))),
            Poll::Pending => draining.as_mut().poll(cx).map(|()| None),
        })))
    }

    /// Returns the response. If a name is not found, the response has an error, and the stream goes
    /// on.
    fn respond(&self, request: ServerReflectionRequest) -> ServerReflectionResponse {
        let Self(index) = self;
        let reply = match &request.message_request {
            Some(Ask::FileByFilename(name)) => file(index.file(name), "file", name),
            Some(Ask::FileContainingSymbol(name)) => file(index.file_of(name), "symbol", name),
            Some(Ask::FileContainingExtension(_)) => {
                error(Code::NotFound, "extensions are not indexed".to_owned())
            }
            // Not an error, because grpcurl asks for every message that it describes.
            Some(Ask::AllExtensionNumbersOfType(_)) => {
                Reply::AllExtensionNumbersResponse(ExtensionNumberResponse::default())
            }
            Some(Ask::ListServices(_)) => {
                let names = index.services().iter().cloned();
                let service = names.map(|name| ServiceResponse { name }).collect();
                Reply::ListServicesResponse(ListServiceResponse { service })
            }
            None => error(Code::InvalidArgument, "the request asks for nothing".to_owned()),
        };
        ServerReflectionResponse {
            valid_host: request.host.clone(),
            original_request: Some(request),
            message_response: Some(reply),
        }
    }
}

fn file(found: Option<&Bytes>, kind: &str, name: &str) -> Reply {
    match found {
        Some(file) => Reply::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: vec![file.to_vec()],
        }),
        None => error(Code::NotFound, format!("there is no {kind} \"{}\"", cut(name))),
    }
}

fn error(code: Code, error_message: String) -> Reply {
    Reply::ErrorResponse(ErrorResponse { error_code: code.into(), error_message })
}

impl Service<http::Request<Body>> for Reflection {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(codegen::bidi_streaming(request, |request| this.info(request)))
    }
}
