//! A call of another protocol, on its way in and on its way out.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture, stream};
use http::{HeaderValue, Response, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::StreamBody;

use super::{
    content_type::ContentType,
    cors, grpc_web,
    stream::Stream,
    unary::{Query, Unary},
};
use crate::{body::Body, call::Call, cause::Cause};

/// How a call of another protocol becomes one of gRPC, and its response one of that protocol.
#[derive(Debug)]
pub(crate) struct Translation {
    pub(super) protocol: Protocol,
    /// The origin of the page that may read the response.
    pub(super) origin: Option<HeaderValue>,
    /// What is wrong with the head of the request. The call then fails with it.
    pub(super) fault: Option<Cause>,
}

#[derive(Debug)]
pub(super) enum Protocol {
    GrpcWeb { is_text: bool },
    Unary(Unary, Option<Query>),
    Stream(Stream),
}

impl Translation {
    /// Returns the body of the request of gRPC.
    pub(crate) fn request(&mut self, body: Body, call: &Arc<Call>) -> Body {
        if let Some(cause) = self.fault.take() {
            let failed = async move { Err::<Frame<_>, _>(cause.body_error()) };
            return Body::stream(StreamBody::new(stream::once(failed)));
        }
        match &mut self.protocol {
            Protocol::GrpcWeb { is_text: true } => grpc_web::decoded(body),
            Protocol::GrpcWeb { is_text: false } => body,
            Protocol::Unary(unary, query) => unary.request(body, query.take(), call),
            Protocol::Stream(stream) => stream.request(body, call),
        }
    }

    /// Returns the response of the protocol for the response of gRPC.
    pub(crate) fn response(
        self: Box<Self>,
        response: Response<Body>,
        call: Arc<Call>,
    ) -> BoxFuture<'static, Response<Body>> {
        async move {
            let Self { protocol, origin, .. } = *self;
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
            if let Some(origin) = origin {
                cors::allow(response.headers_mut(), origin);
            }
            response
        }
        .boxed()
    }
}
