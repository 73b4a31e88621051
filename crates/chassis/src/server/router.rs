//! Finds the service of a call.

use std::{
    convert::Infallible,
    future::ready,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use http::Response;
use tonic::codegen::BoxFuture;
use tower::Service;

use crate::{
    body::Body,
    cause::Cause,
    inbound::BoxInbound,
    method::{Method, Origin},
    mount::Next,
};

/// The services of one address, in the order of the method table.
#[derive(Debug, Clone, Default)]
pub(super) struct Router {
    /// Health, and if they are on, reflection and load reports.
    chassis: Arc<[Next]>,
    /// The services that were added to the chassis; empty until the dependencies are ready.
    services: Arc<OnceLock<Vec<Next>>>,
}

impl Router {
    pub(super) fn new(chassis: Vec<Next>, services: Arc<OnceLock<Vec<Next>>>) -> Self {
        Self { chassis: chassis.into(), services }
    }

    fn find(&self, method: &Method) -> Result<&Next, Cause> {
        let mount = method.mount().ok_or(Cause::UnknownMethod)?;
        match method.origin() {
            Origin::Chassis => self.chassis.get(mount).ok_or(Cause::UnknownMethod),
            Origin::None => Err(Cause::UnknownMethod),
            Origin::Service => match self.services.get() {
                None => Err(Cause::Starting),
                Some(services) => {
                    services.get(mount - self.chassis.len()).ok_or(Cause::UnknownMethod)
                }
            },
        }
    }
}

impl Service<BoxInbound> for Router {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline(always)]
    fn call(&mut self, request: BoxInbound) -> Self::Future {
        match self.find(request.call.method()) {
            Ok(service) => service.respond(request),
            Err(cause) => Box::pin(ready(Ok(cause.response()))),
        }
    }
}

/// A router for the calls of other protocols than gRPC: a type of its own, as
/// [`layers`](crate::middleware::layers) needs it.
#[derive(Debug, Clone)]
pub(super) struct WebRouter(pub(super) Router);

impl Service<BoxInbound> for WebRouter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: BoxInbound) -> Self::Future {
        self.0.call(request)
    }
}
