//! Counts the calls in flight, and can end them all with a status.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFutureOwned},
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tonic::Status;
use tower::{Layer, Service};

use super::{Cause, Whole};

/// The calls in flight of one process. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    started: AtomicUsize,
    finished: AtomicUsize,
    cut: AtomicUsize,
    cutting: CancellationToken,
    open: TaskTracker,
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

    /// Waits until no call is in flight.
    pub async fn idle(&self) {
        self.0.open.close();
        self.0.open.wait().await;
    }

    fn begin(&self) -> Call {
        self.0.started.fetch_add(1, Ordering::AcqRel);
        Call { calls: Arc::clone(&self.0), was_cut: false, _open: self.0.open.token() }
    }
}

/// One call in flight, until it is dropped.
#[derive(Debug)]
struct Call {
    calls: Arc<Shared>,
    was_cut: bool,
    // Dropped after it has been counted, as fields are.
    _open: TaskTrackerToken,
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

impl<S, B> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<Whole>, Error = Infallible>,
{
    type Response = Response<CountedBody>;
    type Error = Infallible;
    type Future = CountedCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        CountedCall {
            future: self.inner.call(request),
            cutting: None,
            call: Some(self.calls.begin()),
        }
    }
}

pin_project! {
    /// A call on its way to its response.
    pub struct CountedCall<F> {
        #[pin]
        future: F,
        // Made once there is something to wait for, as most calls have nothing.
        cutting: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
        call: Option<Call>,
    }
}

impl<F> Future for CountedCall<F>
where
    F: Future<Output = Result<Response<Whole>, Infallible>>,
{
    type Output = Result<Response<CountedBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let unended = "a future is not polled after its end";
        let calls = &this.call.as_ref().expect(unended).calls;
        // The call itself first: an answer that is there is better than none.
        let (response, was_cut) = if let Poll::Ready(Ok(response)) = this.future.poll(cx) {
            (response, false)
        } else {
            let cancelled = || Box::pin(calls.cutting.clone().cancelled_owned());
            ready!(this.cutting.get_or_insert_with(cancelled).as_mut().poll(cx));
            (Cause::ShuttingDown.response(), true)
        };
        let mut call = this.call.take().expect(unended);
        call.was_cut = was_cut;
        Poll::Ready(Ok(response.map(|body| CountedBody { body, _call: call })))
    }
}

/// The body of a call that is in flight until it has been sent.
#[derive(Debug)]
pub struct CountedBody {
    body: Whole,
    _call: Call,
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
