//! Calls of the other protocols: Connect and gRPC-Web. What is no call of a protocol is refused.

use std::{convert::Infallible, mem, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use tower::Service;

use super::record::{Others, RecordedCall, Recorder};
use crate::{
    body::Body,
    call::{KnownHeaders, Peer},
    inbound::{BoxInbound, Inbound},
    web::{Refusal, Translation, Web},
};

/// Translates each call into one of gRPC, and its response back.
#[derive(Debug, Clone)]
pub(crate) struct Translate<S> {
    inner: S,
    recorder: Recorder,
    web: Arc<Web>,
}

impl<S> Translate<S>
where
    S: Service<BoxInbound, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    pub(crate) fn new(inner: S, recorder: Recorder, web: Arc<Web>) -> Self {
        Self { inner, recorder, web }
    }

    pub(crate) fn boxed(self) -> Others {
        Arc::new(move |request, peer| {
            let this = self.clone();
            // Unwind safe, because what has panicked is dropped.
            let responded = AssertUnwindSafe(this.respond(request, peer)).catch_unwind();
            let responded = responded.map(|responded| {
                responded.unwrap_or_else(|_panic| {
                    let mut response = Response::<Body>::default();
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    response
                })
            });
            responded.boxed()
        })
    }

    async fn respond(
        mut self,
        mut request: Request<Body>,
        peer: Option<Arc<Peer>>,
    ) -> Response<Body> {
        let translation = match self.accept(&mut request, peer.as_deref()) {
            Ok(translation) => translation,
            Err(refusal) => return *refusal,
        };
        let headers = KnownHeaders::of(request.headers());
        let record = self.recorder.begin(&mut request, headers, peer);
        let call = Arc::clone(record.call());
        let received = mem::take(request.body_mut());
        let (body, responses) = translation.begin(received, &call);
        *request.body_mut() = body;
        let called = self.inner.call(Box::new(Inbound { request, call }));
        let Ok(response) = RecordedCall::new(called, record).await;
        responses.translate(response).await
    }

    /// Makes the head of a request one of gRPC.
    ///
    /// # Errors
    ///
    /// Returns the response to what is no call.
    fn accept(
        &self,
        request: &mut Request<Body>,
        peer: Option<&Peer>,
    ) -> Result<Box<Translation>, Box<Response<Body>>> {
        let Recorder { telemetry, methods, .. } = &self.recorder;
        self.web.accept(request, methods).map_err(|Refusal { why, response }| {
            if let Some(why) = why {
                telemetry.refused(why, peer.map(Peer::address));
            }
            response
        })
    }
}
