//! Counts the calls in flight, and ends those that the drain cuts.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tower::{Layer, Service};

use crate::{
    body::Body,
    cause::Cause,
    in_flight::{InFlight, InFlightGuard},
    inbound::BoxInbound,
    method::Origin,
};

/// Keeps a call in flight until its response has been sent, or until it panics. When
/// `shutdown.drain` has passed, the drain cuts the call with UNAVAILABLE: in the headers, or in the
/// trailers of a stream. Calls of the chassis's own services end in the same way a second after the
/// drain has begun.
#[derive(Debug, Clone)]
pub(crate) struct InFlightLayer(InFlight);

impl InFlightLayer {
    pub(crate) fn new(in_flight: InFlight) -> Self {
        Self(in_flight)
    }
}

impl<S> Layer<S> for InFlightLayer {
    type Service = Tracked<S>;

    fn layer(&self, inner: S) -> Tracked<S> {
        Tracked { inner, in_flight: self.0.clone() }
    }
}

/// See [`InFlightLayer`].
#[derive(Debug, Clone)]
pub(crate) struct Tracked<S> {
    inner: S,
    in_flight: InFlight,
}

impl<S> Service<BoxInbound> for Tracked<S>
where
    S: Service<BoxInbound, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = TrackedCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: BoxInbound) -> Self::Future {
        let is_own = request.call.method().origin() == Origin::Chassis;
        let guard = self.in_flight.begin(is_own);
        TrackedCall { future: self.inner.call(request), cutting: None, guard: Some(guard) }
    }
}

pin_project! {
    /// A call on its way to its response.
    pub(crate) struct TrackedCall<F> {
        #[pin]
        future: F,
        // Made when the call has to wait; most calls never do.
        cutting: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
        guard: Option<InFlightGuard>,
    }
}

impl<F> Future for TrackedCall<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let guard = this.guard.as_mut().expect("a future is not polled after it is ready");
        // The call first: a response that is ready is better than none.
        let mut response = if let Poll::Ready(Ok(response)) = this.future.poll(cx) {
            response
        } else {
            let cutting = this.cutting.get_or_insert_with(|| Box::pin(guard.cutting()));
            ready!(cutting.as_mut().poll(cx));
            guard.set_cut();
            Cause::ShuttingDown.response()
        };
        let guard = this.guard.take().expect("it was there above");
        // In place, because moving a response costs more than these layers.
        response.body_mut().keep_in_flight(guard);
        Poll::Ready(Ok(response))
    }
}
