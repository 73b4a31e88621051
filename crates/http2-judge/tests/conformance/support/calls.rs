//! What the handler sees, and how it responds.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body::Frame;
use http_body_util::BodyExt;
use http2_judge::{
    body::{BoxError, Incoming, Outgoing},
    server::Handler,
};

/// What the handler has seen of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    /// The body came to its end.
    pub(crate) is_whole: bool,
    /// The body ended with an error.
    pub(crate) is_broken: bool,
    /// The handler's future ended, or was dropped.
    pub(crate) is_over: bool,
    /// The handler has returned its response.
    pub(crate) has_responded: bool,
}

impl Call {
    /// Returns the values of a header.
    pub(crate) fn values(&self, name: &str) -> Vec<&[u8]> {
        self.headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect()
    }
}

type Respond = Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Outgoing>> + Send + Sync>;

/// The calls of a connection, in the order in which the handler got them.
#[derive(Clone)]
pub(crate) struct Calls {
    calls: Arc<Mutex<Vec<Call>>>,
    respond: Arc<Mutex<Respond>>,
}

impl Default for Calls {
    /// Reads the request and responds with "ok".
    fn default() -> Self {
        let respond: Respond = Arc::new(|request| {
            async {
                let _broken = request.into_body().collect().await;
                Response::new(Outgoing::complete("ok", None))
            }
            .boxed()
        });
        Self { calls: Arc::default(), respond: Arc::new(Mutex::new(respond)) }
    }
}

impl Calls {
    /// Responds to the next requests with this function.
    pub(crate) fn respond<F, Fut>(&self, respond: F)
    where
        F: Fn(Request<Body>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<Outgoing>> + Send + 'static,
    {
        *self.respond.lock().expect("no panic") = Arc::new(move |request| respond(request).boxed());
    }

    /// Returns what the handler has seen until now.
    pub(crate) fn all(&self) -> Vec<Call> {
        self.lock().clone()
    }

    pub(super) fn handler(&self) -> Handler {
        let calls = self.clone();
        Handler::new(move |request| {
            let respond = Arc::clone(&calls.respond.lock().expect("no panic"));
            let index = calls.add(&request);
            let over = Over(calls.clone(), index);
            let body = |frames| Body { frames, calls: calls.clone(), index };
            let response = respond(request.map(body));
            async move {
                let response = response.await;
                over.0.lock()[index].has_responded = true;
                response
            }
        })
    }

    fn add(&self, request: &Request<Incoming>) -> usize {
        let mut calls = self.lock();
        calls.push(Call {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            ..Call::default()
        });
        calls.len() - 1
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().expect("no panic")
    }
}

/// Records the end of a handler's future.
struct Over(Calls, usize);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.lock()[self.1].is_over = true;
    }
}

/// The body of a request, which records what the handler reads.
pub(crate) struct Body {
    frames: Incoming,
    calls: Calls,
    index: usize,
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.frames).poll_frame(cx));
        let mut calls = self.calls.lock();
        let call = &mut calls[self.index];
        match &frame {
            Some(Ok(frame)) => {
                call.body.extend(frame.data_ref().into_iter().flatten());
                if let Some(trailers) = frame.trailers_ref() {
                    call.trailers = Some(trailers.clone());
                }
            }
            Some(Err(_)) => call.is_broken = true,
            None => call.is_whole = true,
        }
        drop(calls);
        Poll::Ready(frame)
    }
}
