//! Reports each call with the status that its caller got.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::telemetry::{Call, Peer, Progress, Telemetry};

/// Tells the telemetry of each call of the service that it wraps.
#[derive(Debug, Clone)]
pub struct RecordLayer(Telemetry);

impl RecordLayer {
    /// Tells this telemetry.
    pub fn new(telemetry: Telemetry) -> Self {
        Self(telemetry)
    }
}

impl<S> Layer<S> for RecordLayer {
    type Service = Record<S>;

    fn layer(&self, inner: S) -> Record<S> {
        Record { inner, telemetry: self.0.clone(), peer: None }
    }
}

/// See [`RecordLayer`].
#[derive(Debug, Clone)]
pub struct Record<S> {
    inner: S,
    telemetry: Telemetry,
    peer: Option<Arc<Peer>>,
}

impl<S: Clone> Record<S> {
    /// The same for the calls of one connection.
    #[must_use]
    pub fn of(&self, peer: Peer) -> Self {
        Self { peer: Some(Arc::new(peer)), ..self.clone() }
    }
}

/// The body of a request, and where the layers within say how far its call has come.
///
/// No extension of the request: it would cost four allocations, and a layer could be
/// without it.
#[derive(Debug, Default)]
pub struct Tracked<B> {
    /// What arrives.
    pub body: B,
    /// What the layers within say.
    pub progress: Arc<Progress>,
}

impl<S, B, R> Service<Request<B>> for Record<S>
where
    S: Service<Request<Tracked<B>>, Response = Response<R>, Error = Infallible>,
{
    type Response = Response<RecordedBody<R>>;
    type Error = Infallible;
    type Future = RecordedCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let peer = self.peer.clone();
        let call = self.telemetry.begin(request.uri().path(), request.headers(), peer);
        let progress = Arc::clone(call.progress());
        let request = request.map(|body| Tracked { body, progress });
        RecordedCall { future: Some(self.inner.call(request)), call: Some(call) }
    }
}

pin_project! {
    /// A call that is reported once its response has ended, or once it is dropped.
    pub struct RecordedCall<F> {
        #[pin]
        future: Option<F>,
        call: Option<Call>,
    }
}

impl<F, R> Future for RecordedCall<F>
where
    F: Future<Output = Result<Response<R>, Infallible>>,
{
    type Output = Result<Response<RecordedBody<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let call = this.call.as_ref().expect("a future is not polled after its end");
        // What the service does is part of the trace.
        let _in_span = call.span().map(|span| span.context().clone().attach());
        let future = this.future.as_mut().as_pin_mut().expect("it is there as long as the call is");
        let Ok(response) = ready!(future.poll(cx));
        // What is still at work or in the queue says how far it came when it is
        // dropped, which must be before the call is reported.
        this.future.set(None);
        let mut call = this.call.take().expect("it was there just now");
        call.read_status(response.headers());
        Poll::Ready(Ok(response.map(|body| RecordedBody { body, call: Some(call) })))
    }
}

pin_project! {
    /// A response body that reads the status from the trailers that pass.
    pub struct RecordedBody<B> {
        #[pin]
        body: B,
        call: Option<Call>,
    }
}

impl<B> RecordedBody<B> {
    /// The body of what is no call.
    pub fn unrecorded(body: B) -> Self {
        Self { body, call: None }
    }
}

impl<B: Body> Body for RecordedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.body.poll_frame(cx));
        if let (Some(Ok(frame)), Some(call)) = (&frame, this.call) {
            match (frame.data_ref(), frame.trailers_ref()) {
                (Some(data), _) => call.sent(data.remaining()),
                (_, Some(trailers)) => call.read_status(trailers),
                _ => {}
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
