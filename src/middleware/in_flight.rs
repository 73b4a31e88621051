//! Counts the calls in flight, and can end them all with a status.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tower::{Layer, Service};

/// The calls in flight of one process. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    started: AtomicUsize,
    finished: AtomicUsize,
    cut: AtomicUsize,
    cutting: CancellationToken,
}

/// How many calls there were, since the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Calls that have begun.
    pub started: usize,
    /// Calls that have ended by themselves, or by their caller.
    pub finished: usize,
    /// Calls that were ended by [`InFlight::cut`].
    pub cut: usize,
}

impl Counts {
    /// Calls that have begun and not yet ended.
    pub fn in_flight(self) -> usize {
        self.started.saturating_sub(self.finished + self.cut)
    }
}

impl InFlight {
    /// The counts as they are now.
    pub fn counts(&self) -> Counts {
        // What ended is read first: read last, a call could have ended that
        // had not begun.
        let finished = self.0.finished.load(Ordering::Acquire);
        let cut = self.0.cut.load(Ordering::Acquire);
        Counts { started: self.0.started.load(Ordering::Acquire), finished, cut }
    }

    /// Answers UNAVAILABLE to every call in flight, and to every later one.
    pub fn cut(&self) {
        self.0.cutting.cancel();
    }

    fn begin(&self) -> Call {
        self.0.started.fetch_add(1, Ordering::AcqRel);
        Call { calls: Arc::clone(&self.0), was_cut: false }
    }
}

/// One call in flight, until it is dropped.
#[derive(Debug)]
struct Call {
    calls: Arc<Shared>,
    was_cut: bool,
}

impl Call {
    fn cut(&mut self) -> Status {
        self.was_cut = true;
        Status::unavailable("the server is shutting down, and its time to finish calls is over")
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let ended = if self.was_cut { &self.calls.cut } else { &self.calls.finished };
        ended.fetch_add(1, Ordering::AcqRel);
    }
}

impl<S> Layer<S> for InFlight {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, calls: self.clone() }
    }
}

/// A service whose calls are counted. See [`InFlight`].
#[derive(Debug, Clone)]
pub struct Counted<S> {
    inner: S,
    calls: InFlight,
}

impl<S, B, R> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    type Response = Response<CountedBody<R>>;
    type Error = Infallible;
    type Future = CountedCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        CountedCall {
            future: self.inner.call(request),
            cutting: self.calls.0.cutting.clone().cancelled_owned(),
            call: Some(self.calls.begin()),
        }
    }
}

pin_project! {
    /// A call on its way to its response.
    pub struct CountedCall<F> {
        #[pin]
        future: F,
        #[pin]
        cutting: WaitForCancellationFutureOwned,
        call: Option<Call>,
    }
}

impl<F, R> Future for CountedCall<F>
where
    F: Future<Output = Result<Response<R>, Infallible>>,
{
    type Output = Result<Response<CountedBody<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let call = "a future is not polled after its end";
        if let Poll::Ready(Ok(response)) = this.future.poll(cx) {
            let call = this.call.take().expect(call);
            let cutting = call.calls.cutting.clone().cancelled_owned();
            return Poll::Ready(Ok(response.map(|body| CountedBody {
                body: Some(body),
                cutting,
                call,
            })));
        }
        // The call itself first: an answer that is there is better than none.
        if this.cutting.poll(cx).is_pending() {
            return Poll::Pending;
        }
        let mut call = this.call.take().expect(call);
        let response = call.cut().into_http::<()>();
        let cutting = call.calls.cutting.clone().cancelled_owned();
        Poll::Ready(Ok(response.map(|()| CountedBody { body: None, cutting, call })))
    }
}

pin_project! {
    /// The body of a call in flight; without one where the call was cut.
    pub struct CountedBody<B> {
        #[pin]
        body: Option<B>,
        #[pin]
        cutting: WaitForCancellationFutureOwned,
        call: Call,
    }
}

impl<B: Body> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = body.poll_frame(cx) {
            return Poll::Ready(frame);
        }
        if this.cutting.poll(cx).is_pending() {
            return Poll::Pending;
        }
        this.body.set(None);
        let mut trailers = HeaderMap::new();
        let written = this.call.cut().add_header(&mut trailers);
        written.expect("a status without details is valid as a header");
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
