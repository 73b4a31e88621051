//! One log line a call, with the status that the caller got.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::{Layer, Service, ServiceExt, util::Oneshot};

use crate::telemetry::code_name;

/// Who is at the other end of the connection, an extension of its requests.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The name that its certificate proves, where it had to show one.
    pub subject: Option<Arc<str>>,
}

/// Logs each call of the service that it wraps.
#[derive(Debug, Clone, Copy)]
pub struct AccessLogLayer;

impl<S> Layer<S> for AccessLogLayer {
    type Service = AccessLog<S>;

    fn layer(&self, inner: S) -> AccessLog<S> {
        AccessLog { inner }
    }
}

/// See [`AccessLogLayer`].
#[derive(Debug, Clone)]
pub struct AccessLog<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for AccessLog<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Clone,
{
    type Response = Response<LoggedBody<R>>;
    type Error = Infallible;
    type Future = LoggedCall<S, Request<B>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Always: the wait for a worker is part of the call and of its time, so
        // it happens within the future that `call` returns.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let line = Line {
            method: request.uri().path().to_owned(),
            peer: request.extensions().get::<Peer>().cloned(),
            start: Instant::now(),
            // What a call ends with that nobody waits for any more.
            code: Code::Cancelled,
        };
        LoggedCall { call: self.inner.clone().oneshot(request), line: Some(line) }
    }
}

pin_project! {
    /// A call whose line is written once its response has ended, or once it is dropped.
    pub struct LoggedCall<S: Service<Req>, Req> {
        #[pin]
        call: Oneshot<S, Req>,
        line: Option<Line>,
    }
}

impl<S, Req, R> Future for LoggedCall<S, Req>
where
    S: Service<Req, Response = Response<R>, Error = Infallible>,
{
    type Output = Result<Response<LoggedBody<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.call.poll(cx));
        let mut line = this.line.take().expect("a future is not polled after its end");
        line.read_status(response.headers());
        Poll::Ready(Ok(response.map(|body| LoggedBody { body, line })))
    }
}

pin_project! {
    /// A response body that reads the status from the trailers that pass.
    pub struct LoggedBody<B> {
        #[pin]
        body: B,
        line: Line,
    }
}

impl<B: Body> Body for LoggedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.body.poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            this.line.read_status(trailers);
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

/// What is written when the call ends, in whichever way it does.
struct Line {
    method: String,
    peer: Option<Peer>,
    start: Instant,
    code: Code,
}

impl Line {
    /// The status stands in the trailers, or in the headers of a response
    /// that has nothing else ("Trailers-Only" in the gRPC HTTP/2 protocol).
    fn read_status(&mut self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.code = status.code();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        tracing::info!(
            method = self.method,
            code = code_name(self.code),
            peer = self.peer.as_ref().map(|peer| tracing::field::display(peer.address)),
            subject = self.peer.as_ref().and_then(|peer| peer.subject.as_deref()),
            ms = milliseconds(self.start.elapsed()),
            "call"
        );
    }
}

fn milliseconds(duration: Duration) -> f64 {
    // Microseconds are as fine as a person reads them.
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
