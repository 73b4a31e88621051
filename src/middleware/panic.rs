//! A panic in a handler is an answer, not the end of a connection.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{Cause, Whole};
use crate::telemetry::Telemetry;

/// INTERNAL for the caller, without a word of what happened: that is in the log
/// already, from the hook of [`crate::telemetry::log`]. Counted.
///
/// tower-http's layer of that name puts each answer in a box.
#[derive(Debug, Clone)]
pub struct CatchPanicLayer(Telemetry);

impl CatchPanicLayer {
    /// Counts panics there.
    pub fn new(telemetry: Telemetry) -> Self {
        Self(telemetry)
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> CatchPanic<S> {
        CatchPanic { inner, telemetry: self.0.clone() }
    }
}

/// See [`CatchPanicLayer`].
#[derive(Debug, Clone)]
pub struct CatchPanic<S> {
    inner: S,
    telemetry: Telemetry,
}

impl<S, B> Service<Request<B>> for CatchPanic<S>
where
    S: Service<Request<B>, Response = Response<Whole>, Error = Infallible>,
{
    type Response = Response<Whole>;
    type Error = Infallible;
    type Future = CaughtCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Unwind safe: what has panicked is dropped, and what it shared with other
        // calls is made of locks and atomics.
        let call = catch_unwind(AssertUnwindSafe(|| self.inner.call(request))).ok();
        CaughtCall { call, telemetry: self.telemetry.clone() }
    }
}

pin_project! {
    /// A call that may panic.
    pub struct CaughtCall<F> {
        // None once it has.
        #[pin]
        call: Option<F>,
        telemetry: Telemetry,
    }
}

impl<F> Future for CaughtCall<F>
where
    F: Future<Output = Result<Response<Whole>, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled =
            this.call.as_pin_mut().map(|call| catch_unwind(AssertUnwindSafe(|| call.poll(cx))));
        if let Some(Ok(polled)) = polled {
            return polled;
        }
        this.telemetry.panicked();
        Poll::Ready(Ok(Cause::Panicked.response()))
    }
}
