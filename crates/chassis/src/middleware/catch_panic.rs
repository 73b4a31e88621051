//! Turns a panic of a handler into a status, so that it does not end the connection.

use std::{
    convert::Infallible,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame};
use pin_project_lite::pin_project;
use tonic::Status;
use tower::{Layer, Service};

use crate::{
    body::{Body, BoxFrames},
    cause::{Cause, trailers},
    inbound::BoxInbound,
};

/// Responds INTERNAL to a call whose handler panics when it is called or in its stream; a panic of
/// its future is caught when the call is recorded. The caller gets no details: the panic hook has
/// logged and counted the panic.
///
/// A panic while the handler's future, response or stream is dropped is caught here too.
///
/// tower-http's layer of this name would box each response.
#[derive(Debug, Clone)]
pub(crate) struct CatchPanicLayer;

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> CatchPanic<S> {
        CatchPanic { inner }
    }
}

/// See [`CatchPanicLayer`].
#[derive(Debug, Clone)]
pub(crate) struct CatchPanic<S> {
    inner: S,
}

impl<S> Service<BoxInbound> for CatchPanic<S>
where
    S: Service<BoxInbound, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = CaughtCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: BoxInbound) -> Self::Future {
        // Unwind safe, because the call is dropped after a panic, and shares only locks and atomics
        // with other calls.
        let call = catch_unwind(AssertUnwindSafe(|| self.inner.call(request))).ok();
        CaughtCall { call }
    }
}

pin_project! {
    /// A call that may panic.
    pub(crate) struct CaughtCall<F> {
        // `None` if it has panicked.
        #[pin]
        call: Option<F>,
    }

    impl<F> PinnedDrop for CaughtCall<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut call = this.project().call;
            let _panic = catch_unwind(AssertUnwindSafe(|| call.set(None)));
        }
    }
}

impl<F> Future for CaughtCall<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The record layer catches a panic here, as it does for all other layers.
        let mut response = match self.project().call.as_pin_mut() {
            Some(call) => match ready!(call.poll(cx)) {
                Ok(response) => response,
            },
            None => Cause::Panicked.response(),
        };
        // Nothing reads the extensions that layers have left, and to drop them may panic.
        if !response.extensions().is_empty() {
            drop_caught(mem::take(response.extensions_mut()));
        }
        response.body_mut().wrap_stream(|frames| CaughtFrames { frames: Some(frames) });
        Poll::Ready(Ok(response))
    }
}

/// The frames of a stream that may panic.
struct CaughtFrames {
    // `None` if it has panicked.
    frames: Option<BoxFrames>,
}

impl CaughtFrames {
    fn end(&mut self) {
        if let Some(frames) = self.frames.take() {
            drop_caught(frames);
        }
    }
}

impl Drop for CaughtFrames {
    fn drop(&mut self) {
        self.end();
    }
}

fn drop_caught<T>(value: T) {
    let _panic = catch_unwind(AssertUnwindSafe(|| drop(value)));
}

impl HttpBody for CaughtFrames {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(frames) = &mut self.frames else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| frames.as_mut().poll_frame(cx))) {
            // An error of another library's body becomes trailers, because a reset stream would
            // have no status.
            Ok(Poll::Ready(Some(Err(status)))) => {
                self.end();
                Poll::Ready(Some(Ok(Frame::trailers(trailers(&status)))))
            }
            Ok(polled) => polled,
            Err(_) => {
                self.end();
                Poll::Ready(Some(Ok(Frame::trailers(Cause::Panicked.trailers()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // After a panic here, the stream is not at its end, so that it is polled and ends with a
        // status.
        let is_end = |frames: &BoxFrames| catch_unwind(AssertUnwindSafe(|| frames.is_end_stream()));
        self.frames.as_ref().is_none_or(|frames| is_end(frames).unwrap_or(false))
    }
}
