//! Calls of the other protocols: Connect and gRPC-Web. What is no call of a protocol is refused.

use std::{
    convert::Infallible,
    future::ready,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use tower::Service;

use super::record::{Others, RecordedCall, Recorder};
use crate::{
    body::Body,
    call::{KnownHeaders, Peer},
    inbound::{BoxInbound, Inbound},
    web::{Refusal, Responses, Translation, Web},
};

/// A call that has begun, and the translation of its response.
type Begun<F> = (RecordedCall<F>, Responses);

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

    /// Returns what responds to such calls. A call begins at once, and not when its future is polled
    /// first: hyper drops that unpolled if the client is gone already, and then no record would show
    /// the call.
    pub(crate) fn boxed(self) -> Others {
        Arc::new(move |request, peer| {
            // Unwind safe, because what has panicked is dropped.
            let begun = catch_unwind(AssertUnwindSafe(|| self.clone().begin(request, peer)));
            match begun {
                Ok(Ok((call, responses))) => {
                    let responded = async {
                        let Ok(response) = call.await;
                        responses.translate(response).await
                    };
                    let responded = AssertUnwindSafe(responded).catch_unwind();
                    responded.map(|responded| responded.unwrap_or_else(|_| failed())).boxed()
                }
                Ok(Err(refusal)) => Box::pin(ready(*refusal)),
                Err(_panic) => Box::pin(ready(failed())),
            }
        })
    }

    /// Begins a call.
    ///
    /// # Errors
    ///
    /// Returns the response to what is no call.
    fn begin(
        mut self,
        mut request: Request<Body>,
        peer: Option<Arc<Peer>>,
    ) -> Result<Begun<S::Future>, Box<Response<Body>>> {
        let translation = self.accept(&mut request, peer.as_deref())?;
        let headers = KnownHeaders::of(request.headers());
        let record = self.recorder.begin(&mut request, headers, peer);
        let call = Arc::clone(record.call());
        let received = mem::take(request.body_mut());
        let (body, responses) = translation.begin(received, &call);
        *request.body_mut() = body;
        let called = self.inner.call(Box::new(Inbound { request, call }));
        Ok((RecordedCall::new(called, record), responses))
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

/// The response if the translation panics: the protocol has no other that needs no translation.
fn failed() -> Response<Body> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
