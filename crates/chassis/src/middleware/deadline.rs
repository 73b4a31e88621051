//! The deadline of a call: the caller's, or the server's.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Response;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{Layer, Service};

use crate::{body::Body, cause::Cause, config, inbound::BoxInbound};

/// Ends a call with DEADLINE_EXCEEDED at its deadline.
///
/// A unary call has the caller's deadline, at most `deadline.max`, or else
/// `deadline.default`. A stream has the caller's deadline or none. The arrival of the
/// message, the time in the queue and the work all count.
#[derive(Debug, Clone)]
pub(crate) struct DeadlineLayer(config::Deadline);

impl DeadlineLayer {
    pub(crate) fn new(limits: config::Deadline) -> Self {
        Self(limits)
    }

    /// Returns the time that a call has, or `None` if it has no deadline.
    fn time(&self, given: Option<Duration>, is_unary: bool) -> Option<Duration> {
        if !is_unary {
            return given;
        }
        Some(given.unwrap_or(self.0.default.get()).min(self.0.max.get()))
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = WithDeadline<S>;

    fn layer(&self, inner: S) -> WithDeadline<S> {
        WithDeadline { inner, layer: self.clone() }
    }
}

/// See [`DeadlineLayer`].
#[derive(Debug, Clone)]
pub(crate) struct WithDeadline<S> {
    inner: S,
    layer: DeadlineLayer,
}

impl<S> Service<BoxInbound> for WithDeadline<S>
where
    S: Service<BoxInbound, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = CallWithDeadline<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: BoxInbound) -> Self::Future {
        let call = &request.call;
        let time = self.layer.time(call.given_timeout(), call.method().is_unary());
        if let Some(time) = time {
            call.set_deadline(time);
        }
        let deadline = time.map(|time| call.start() + time);
        // A call without time left never reaches the handler.
        let is_late = time == Some(Duration::ZERO);
        let call = (!is_late).then(|| self.inner.call(request));
        CallWithDeadline { call, deadline, timer: None }
    }
}

pin_project! {
    /// A call that ends at its deadline.
    pub(crate) struct CallWithDeadline<F> {
        #[pin]
        call: Option<F>,
        deadline: Option<Instant>,
        // Made when the call has to wait. Most calls never do, and a timer costs more than
        // all layers.
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<F> Future for CallWithDeadline<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let exceeded = || Poll::Ready(Ok(Cause::DeadlineExceeded.response()));
        let Some(call) = this.call.as_pin_mut() else { return exceeded() };
        // The time first, because a late call must not succeed.
        if this.timer.is_some() && this.deadline.is_some_and(|deadline| Instant::now() >= deadline)
        {
            return exceeded();
        }
        if let Poll::Ready(Ok(mut response)) = call.poll(cx) {
            if let Some(deadline) = *this.deadline {
                response.body_mut().end_at(deadline);
            }
            return Poll::Ready(Ok(response));
        }
        let Some(deadline) = *this.deadline else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(timer.as_mut().poll(cx));
        exceeded()
    }
}
