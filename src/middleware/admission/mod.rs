//! Who may work, who waits, and who is turned away.
//!
//! A call holds a worker from the moment that its message is there as a whole to
//! the moment that its answer is: a caller that sends slowly, or reads slowly,
//! costs memory and never a worker. This is for unary methods; one that streams
//! would have to hold its worker for as long as it streams.

mod message;
mod queue;
mod service_time;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use tonic::codegen::BoxFuture;
use tower::{Layer, Service, ServiceExt};

use super::{Cause, Tracked, Whole};
use crate::config::Settings;

use queue::Queue;

pub use queue::{Load, Refused};

/// Lets `max_workers` calls of the process work at once, and a bounded number
/// wait for a bounded time. Clones share the limit.
#[derive(Debug, Clone)]
pub struct AdmissionLayer {
    queue: Arc<Queue>,
    message_limit: usize,
}

impl AdmissionLayer {
    /// A limit for the whole process.
    pub fn new(settings: &Settings) -> Self {
        let queue = Queue::new(settings.server.max_workers.get(), &settings.queue);
        Self { queue: Arc::new(queue), message_limit: settings.limits.message.get() as usize }
    }

    /// Who works and who waits, now.
    pub fn load(&self) -> Load {
        self.queue.load()
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Admission<S> {
        Admission { inner, layer: self.clone() }
    }
}

/// See [`AdmissionLayer`].
#[derive(Debug, Clone)]
pub struct Admission<S> {
    inner: S,
    layer: AdmissionLayer,
}

impl<S, B> Service<Request<Tracked<B>>> for Admission<S>
where
    S: Service<Request<Whole>, Response = Response<Whole>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<Whole>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Whole>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Always: a call that waits here would be neither in the queue nor late.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Tracked<B>>) -> Self::Future {
        let Self { mut inner, layer } = self.clone();
        let admitted = async move {
            let (head, Tracked { body, progress }) = request.into_parts();
            let message = message::read(body, layer.message_limit, &progress).await?;

            let worker = layer.queue.admit(&progress).await?;
            let Ok(inner) = inner.ready().await;
            let Ok(answer) = inner.call(Request::from_parts(head, message)).await;
            drop(worker);
            Ok(answer)
        };
        Box::pin(admitted.map(|answer| Ok(answer.unwrap_or_else(|cause: Cause| cause.response()))))
    }
}
