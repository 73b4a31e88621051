//! The service of a connection: from HTTP requests to the layers.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use tower::Service;

use super::router::Router;
use crate::{body::Body, call::Peer, http2::RequestBody, middleware::Layered};

/// All layers, and the router within them.
#[derive(Debug, Clone)]
pub(super) struct Calls(Layered<Router>);

impl Calls {
    pub(super) fn new(layered: Layered<Router>) -> Self {
        Self(layered)
    }

    /// Returns the service for the calls of one connection.
    pub(super) fn for_peer(&self, peer: Peer) -> Self {
        Self(self.0.for_peer(peer))
    }

    /// Responds to a request of HTTP/1, which cannot be one of gRPC.
    pub(super) fn call_http1(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        self.0.call_other(request)
    }
}

impl Service<Request<RequestBody>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <Layered<Router> as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        self.0.call(request.map(Body::received))
    }
}
