//! The service of a connection: from HTTP/2 requests to the layers.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower::Service;

use super::router::Stack;
use crate::{body::Body, call::Peer, http2::RequestBody};

/// All layers, and the router within them.
#[derive(Debug, Clone)]
pub(super) struct Calls(Stack);

impl Calls {
    pub(super) fn new(stack: Stack) -> Self {
        Self(stack)
    }

    /// Returns the service for the calls of one connection.
    pub(super) fn for_peer(&self, peer: Peer) -> Self {
        Self(self.0.for_peer(peer))
    }

    /// Calls the layers with a request of HTTP/1.
    // Not inlined, so that the layers are inlined into the call of HTTP/2.
    #[inline(never)]
    pub(super) fn call_http1(&mut self, request: Request<Body>) -> CallFuture {
        self.0.call(request)
    }
}

/// A call.
pub(super) type CallFuture = <Stack as Service<Request<Body>>>::Future;

impl Service<Request<RequestBody>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = CallFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        self.0.call(request.map(Body::received))
    }
}
