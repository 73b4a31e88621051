//! Records each call with the status that its caller gets. What is not a gRPC request is no
//! call: it is refused.

use std::{
    convert::Infallible,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::future::{self, BoxFuture, pending};
use http::{Method, Request, Response, StatusCode, Version};
use pin_project_lite::pin_project;
use tonic::Status;
use tower::{Layer, Service};

use crate::{
    body::Body,
    call::{self, KnownHeaders, Peer, Shared},
    cause::Cause,
    inbound::{BoxInbound, Inbound},
    method::MethodTable,
    telemetry::{CallRecord, Telemetry},
    web::{Refusal, Responses, Translation, Web},
};

/// Begins the record of each call, finds its method, and adds the call's context to the
/// request.
#[derive(Debug, Clone)]
pub(crate) struct RecordLayer {
    telemetry: Telemetry,
    methods: Arc<MethodTable>,
    shared: Arc<Shared>,
    web: Arc<Web>,
}

impl RecordLayer {
    pub(crate) fn new(
        telemetry: Telemetry,
        methods: Arc<MethodTable>,
        shared: Arc<Shared>,
        web: Arc<Web>,
    ) -> Self {
        Self { telemetry, methods, shared, web }
    }
}

impl<S> Layer<S> for RecordLayer {
    type Service = Record<S>;

    fn layer(&self, inner: S) -> Record<S> {
        Record { inner, layer: self.clone(), peer: None }
    }
}

/// See [`RecordLayer`].
#[derive(Debug, Clone)]
pub(crate) struct Record<S> {
    inner: S,
    layer: RecordLayer,
    peer: Option<Arc<Peer>>,
}

impl<S> Record<S> {
    /// Makes the head of a request one of gRPC.
    ///
    /// # Errors
    ///
    /// Returns the response to what is no call.
    // Apart, so that what a call of gRPC needs is compiled into one function.
    #[cold]
    #[inline(never)]
    fn accept(
        &self,
        request: &mut Request<Body>,
    ) -> Result<(Box<Translation>, KnownHeaders), Box<Response<Body>>> {
        let RecordLayer { telemetry, methods, web, .. } = &self.layer;
        match web.accept(request, methods) {
            Ok(translation) => Ok((translation, KnownHeaders::of(request.headers()))),
            Err(Refusal { why, response }) => {
                if let Some(why) = why {
                    telemetry.refused(why, self.peer.as_ref().map(|peer| peer.address()));
                }
                Err(response)
            }
        }
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

    // It has a second caller, for HTTP/1, and a call of it would copy the request.
    #[inline(always)]
    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // Unwind safe, because what has panicked is dropped, and the telemetry has counters.
        let begun = catch_unwind(AssertUnwindSafe(|| self.begin(request)));
        begun.unwrap_or_else(|_panic| RecordedCall::refused(Cause::Panicked.response()))
    }
}

impl<S> Record<S>
where
    S: Service<BoxInbound, Response = Response<Body>, Error = Infallible>,
{
    #[inline]
    fn begin(&mut self, mut request: Request<Body>) -> RecordedCall<S::Future> {
        let mut headers = KnownHeaders::of(request.headers());
        let RecordLayer { telemetry, methods, shared, web } = &self.layer;
        let mut translation = None;
        let is_grpc = headers.is_grpc
            && request.method() == Method::POST
            && request.version() == Version::HTTP_2
            && web.has_grpc();
        if !is_grpc {
            match self.accept(&mut request) {
                Ok(accepted) => (translation, headers) = (Some(accepted.0), accepted.1),
                Err(refusal) => return RecordedCall::refused(*refusal),
            }
        }
        let path = request.uri().path();
        let method = Arc::clone(methods.find(path));
        let (shared, peer) = (Arc::clone(shared), self.peer.clone());
        let record = telemetry.begin(shared, method, path, request.headers(), headers, peer);
        let call = Arc::clone(record.call());
        request.extensions_mut().insert(call::Context(Arc::clone(&call)));
        let edge = translation.map(|translation| {
            let received = mem::take(request.body_mut());
            let (body, responses) = translation.begin(received, &call);
            *request.body_mut() = body;
            Box::new(Edge::Call(responses))
        });
        let future = Some(self.inner.call(Box::new(Inbound { request, call })));
        RecordedCall { future, record: Some(record), edge }
    }
}

pin_project! {
    /// A call that is recorded when its response has ended, or when it is dropped.
    pub(crate) struct RecordedCall<F> {
        // Dropped before the record, so that the call is over when it is recorded.
        #[pin]
        future: Option<F>,
        record: Option<CallRecord>,
        // Boxed, because it is rare, and the future is moved.
        edge: Option<Box<Edge>>,
    }
}

/// What is not a call of gRPC.
enum Edge {
    /// A call of another protocol.
    Call(Responses),
    /// The response to one, or to what is not a call.
    Translated(BoxFuture<'static, Response<Body>>),
}

impl<F> RecordedCall<F> {
    fn refused(refusal: Response<Body>) -> Self {
        let edge = Box::new(Edge::Translated(Box::pin(future::ready(refusal))));
        Self { future: None, record: None, edge: Some(edge) }
    }
}

impl<F> Future for RecordedCall<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(Edge::Translated(translated)) = this.edge.as_deref_mut() {
            return poll_translated(translated, cx).map(Ok);
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
            Ok(Poll::Ready(Ok(response))) => response,
            Ok(Poll::Pending) => return Poll::Pending,
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
        if let Some(edge) = this.edge
            && translate(edge, &mut response, cx).is_pending()
        {
            return Poll::Pending;
        }
        Poll::Ready(Ok(response))
    }
}

/// Replaces the response of gRPC by that of the protocol of the call.
#[cold]
fn translate(edge: &mut Edge, response: &mut Response<Body>, cx: &mut Context<'_>) -> Poll<()> {
    let never = Edge::Translated(Box::pin(pending()));
    if let Edge::Call(responses) = mem::replace(edge, never) {
        *edge = Edge::Translated(responses.translate(mem::take(response)));
    }
    if let Edge::Translated(translated) = edge {
        *response = ready!(poll_translated(translated, cx));
    }
    Poll::Ready(())
}

#[cold]
fn poll_translated(
    translated: &mut BoxFuture<'static, Response<Body>>,
    cx: &mut Context<'_>,
) -> Poll<Response<Body>> {
    // Unwind safe, because what has panicked is dropped.
    let polled = catch_unwind(AssertUnwindSafe(|| translated.as_mut().poll(cx)));
    polled.unwrap_or_else(|_panic| {
        let mut response = Response::<Body>::default();
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        Poll::Ready(response)
    })
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::{telemetry::Metrics, testing};

    #[tokio::test]
    async fn a_panic_when_a_call_begins_is_internal() {
        // It has no series of the method.
        let metrics = Metrics::new(&MethodTable::new(&[]), "1");
        let telemetry = Telemetry::new(None, Some(metrics), None, None);
        let layer = RecordLayer::new(
            telemetry,
            Arc::new(testing::methods()),
            testing::shared(9),
            testing::web(),
        );
        let service = layer.layer(service_fn(async |_: BoxInbound| {
            Ok::<Response<Body>, Infallible>(Response::default())
        }));
        let request = testing::post(testing::UNARY);
        let request = request.body(Body::empty()).expect("a request");
        let Ok(response) = service.oneshot(request).await;
        let status = Status::from_header_map(response.headers()).expect("a status");
        assert_eq!(status.code(), Code::Internal);
    }
}
