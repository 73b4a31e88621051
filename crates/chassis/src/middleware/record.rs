//! Records each call with the status that its caller gets.

use std::{
    convert::Infallible,
    fmt,
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::future::BoxFuture;
use http::{Method, Request, Response, Version};
use pin_project_lite::pin_project;
use tonic::Status;
use tower::Service;

use crate::{
    body::Body,
    call::{self, KnownHeaders, Peer, Shared},
    cause::Cause,
    inbound::{BoxInbound, Inbound},
    method::MethodTable,
    telemetry::{CallRecord, Telemetry},
};

/// Begins the record of each call, finds its method, and adds the call's context to the
/// request.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    pub(super) telemetry: Telemetry,
    pub(super) methods: Arc<MethodTable>,
    shared: Arc<Shared>,
}

impl Recorder {
    pub(crate) fn new(
        telemetry: Telemetry,
        methods: Arc<MethodTable>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { telemetry, methods, shared }
    }

    // One copy for its two callers, so that all that it calls is inlined into it.
    #[inline(never)]
    pub(super) fn begin(
        &self,
        request: &mut Request<Body>,
        headers: KnownHeaders,
        peer: Option<Arc<Peer>>,
    ) -> CallRecord {
        let path = request.uri().path();
        let method = Arc::clone(self.methods.find(path));
        let (telemetry, shared) = (&self.telemetry, Arc::clone(&self.shared));
        let record = telemetry.begin(shared, method, path, request.headers(), headers, peer);
        request.extensions_mut().insert(call::Context(Arc::clone(record.call())));
        record
    }
}

/// What responds to a request that is not one of gRPC.
pub(crate) type Others = Arc<
    dyn Fn(Request<Body>, Option<Arc<Peer>>) -> BoxFuture<'static, Response<Body>> + Send + Sync,
>;

/// Records the calls of gRPC, and passes all else on.
#[derive(Clone)]
pub(crate) struct Record<S> {
    inner: S,
    recorder: Recorder,
    has_grpc: bool,
    others: Others,
    peer: Option<Arc<Peer>>,
}

impl<S> fmt::Debug for Record<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("recorder", &self.recorder).finish_non_exhaustive()
    }
}

impl<S> Record<S> {
    /// Returns the outermost layer around `inner`. Without `has_grpc`, `others` gets calls of gRPC
    /// too.
    pub(crate) fn new(inner: S, recorder: Recorder, has_grpc: bool, others: Others) -> Self {
        Self { inner, recorder, has_grpc, others, peer: None }
    }

    /// Responds to a request that is not one of gRPC.
    // Apart, so that what a call of gRPC needs is compiled into one function.
    #[cold]
    #[inline(never)]
    pub(crate) fn call_other(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        (self.others)(request, self.peer.clone())
    }
}

impl<S: Clone> Record<S> {
    /// Returns the service for the calls of one connection.
    #[must_use]
    pub(crate) fn for_peer(&self, peer: Peer) -> Self {
        Self { peer: Some(Arc::new(peer)), ..self.clone() }
    }
}

impl<S> Service<Request<Body>> for Record<S>
where
    S: Service<BoxInbound, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = RecordedCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // Unwind safe, because what has panicked is dropped, and the telemetry has counters.
        let begun = catch_unwind(AssertUnwindSafe(|| self.begin(request)));
        begun.unwrap_or_else(|_panic| {
            RecordedCall::other(Box::pin(ready(Cause::Panicked.response())))
        })
    }
}

impl<S> Record<S>
where
    S: Service<BoxInbound, Response = Response<Body>, Error = Infallible>,
{
    fn begin(&mut self, mut request: Request<Body>) -> RecordedCall<S::Future> {
        let headers = KnownHeaders::of(request.headers());
        let is_grpc = headers.is_grpc
            && *request.method() == Method::POST
            && request.version() == Version::HTTP_2
            && self.has_grpc;
        if !is_grpc {
            return RecordedCall::other(self.call_other(request));
        }
        let record = self.recorder.begin(&mut request, headers, self.peer.clone());
        let call = Arc::clone(record.call());
        RecordedCall::new(self.inner.call(Box::new(Inbound { request, call })), record)
    }
}

pin_project! {
    /// A call that is recorded when its response has ended, or when it is dropped.
    pub(crate) struct RecordedCall<F> {
        // Dropped before the record, so that the call is over when it is recorded.
        #[pin]
        future: Option<F>,
        record: Option<CallRecord>,
        // The response to a request that is not one of gRPC.
        other: Option<BoxFuture<'static, Response<Body>>>,
    }
}

impl<F> RecordedCall<F> {
    pub(super) fn new(future: F, record: CallRecord) -> Self {
        Self { future: Some(future), record: Some(record), other: None }
    }

    fn other(response: BoxFuture<'static, Response<Body>>) -> Self {
        Self { future: None, record: None, other: Some(response) }
    }
}

impl<F> Future for RecordedCall<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(other) = this.other {
            return other.as_mut().poll(cx).map(Ok);
        }
        let record = this.record.as_ref().expect("a future is not polled after it is ready");
        let future = this.future.as_mut().as_pin_mut().expect("it is there while the record is");
        // Unwind safe, because what has panicked is dropped.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            // Outgoing calls of the handler are part of the trace.
            let _in_span = record.call().span().map(|span| span.context().clone().attach());
            future.poll(cx)
        }));
        let mut response = match polled {
            Ok(polled) => match ready!(polled) {
                Ok(response) => response,
            },
            Err(_panic) => Cause::Panicked.response(),
        };
        // Dropped now: a call in the queue or at work adds its times when it is dropped.
        this.future.set(None);
        let record = this.record.take().expect("it was there above");
        // The status is in the headers if there is no body ("Trailers-Only"). A response that the
        // chassis has made has none there: it need not be searched.
        if !response.body().is_ok_message() {
            record.call().read_status(response.headers());
            if response.headers().contains_key(Status::GRPC_STATUS)
                && let Some(reports) = record.call().load_reports()
            {
                reports.end(response.headers_mut());
            }
        }
        response.body_mut().record(record);
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn a_panic_when_a_call_begins_is_internal() {
        // It has no series of the method.
        let metrics = testing::metrics(&MethodTable::new(&[]));
        let telemetry = Telemetry::new(None, Some(metrics), None, None);
        let methods = Arc::new(testing::methods());
        let recorder = Recorder::new(telemetry, methods, testing::shared(9));
        let respond =
            service_fn(async |_: BoxInbound| Ok::<Response<Body>, Infallible>(Response::default()));
        let others: Others = Arc::new(|_, _| panic!("it is a call of gRPC"));
        let service = Record::new(respond, recorder, true, others);
        let request = testing::post(testing::UNARY);
        let request = request.body(Body::empty()).expect("a request");
        let Ok(response) = service.oneshot(request).await;
        let status = Status::from_header_map(response.headers()).expect("a status");
        assert_eq!(status.code(), Code::Internal);
    }
}
