//! A call of another protocol, on its way in and on its way out.

use std::sync::Arc;

use futures_util::stream;
use http::{HeaderValue, Response, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::StreamBody;

use super::{
    content_type::ContentType,
    cors::Readers,
    grpc_web,
    stream::Stream,
    unary::{Query, Unary},
};
use crate::{body::Body, call::Call, cause::Cause};

/// How a request of another protocol becomes one of gRPC.
#[derive(Debug)]
pub(crate) struct Translation {
    pub(super) protocol: Protocol,
    pub(super) readers: Readers,
    /// The error in the head of the request, with which the call then fails.
    pub(super) fault: Option<Cause>,
}

/// How its response becomes one of that protocol.
#[derive(Debug)]
pub(crate) struct Responses {
    protocol: Protocol,
    readers: Readers,
    call: Arc<Call>,
}

#[derive(Debug)]
pub(super) enum Protocol {
    GrpcWeb { is_text: bool },
    Unary(Unary, Option<Query>),
    Stream(Stream),
}

impl Translation {
    /// Returns the body of the request of gRPC, and the translation of its response.
    pub(crate) fn begin(self, body: Body, call: &Arc<Call>) -> (Body, Responses) {
        let Self { mut protocol, readers, fault } = self;
        let body = match (fault, &mut protocol) {
            (Some(cause), _) => {
                let failed = async move { Err::<Frame<_>, _>(cause.body_error()) };
                Body::stream(StreamBody::new(stream::once(failed)))
            }
            (None, Protocol::GrpcWeb { is_text: true }) => grpc_web::decoded(body),
            (None, Protocol::GrpcWeb { is_text: false }) => body,
            (None, Protocol::Unary(unary, query)) => unary.request(body, query.take(), call),
            (None, Protocol::Stream(stream)) => stream.request(body, call),
        };
        (body, Responses { protocol, readers, call: Arc::clone(call) })
    }
}

impl Responses {
    /// Translates the response of gRPC to the protocol.
    pub(crate) async fn translate(self, response: Response<Body>) -> Response<Body> {
        let Self { protocol, readers, call } = self;
        let mut response = match protocol {
            Protocol::GrpcWeb { is_text } => {
                let name = ContentType::GrpcWeb { is_text }.name();
                let mut response = grpc_web::response(response, is_text, call);
                let value = HeaderValue::from_static(name);
                response.headers_mut().insert(CONTENT_TYPE, value);
                response
            }
            Protocol::Unary(unary, _) => unary.response(response, &call).await,
            Protocol::Stream(stream) => stream.response(response, call),
        };
        readers.add_to(response.headers_mut());
        response
    }
}
