//! The body of the response that is being sent.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tokio::time::Instant;
use tonic::Status;

use crate::{
    body::Body,
    http2::{Activity, ResponseBody},
};

/// The body of the response that a connection is sending. hyper does not poll it while the client
/// reads nothing; then the connection does.
#[derive(Debug, Clone, Default)]
pub(super) struct Sending(Arc<Mutex<Option<Body>>>);

impl Sending {
    /// Resolves if the body must end before its frames do.
    pub(super) fn poll_early_end(&self, cx: &mut Context<'_>, since: Instant) -> Poll<()> {
        let mut body = self.lock();
        let Some(body) = &mut *body else { return Poll::Pending };
        Pin::new(body).poll_early_end(cx, Some(since)).map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Body>> {
        // A panic within the body ends the connection, which drops this.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body as hyper has it.
pub(super) struct SendingBody {
    sending: Sending,
    activity: Arc<Activity>,
}

impl SendingBody {
    pub(super) fn new(body: Body, sending: Sending, activity: Arc<Activity>) -> Self {
        *sending.lock() = Some(body);
        Self { sending, activity }
    }
}

impl HttpBody for SendingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut body = self.sending.lock();
        let Some(sent) = &mut *body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(sent).poll_frame(cx));
        if frame.is_none() {
            *body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.sending.lock().as_ref().is_none_or(HttpBody::is_end_stream)
    }
}

impl Drop for SendingBody {
    fn drop(&mut self) {
        // It has ended, or the connection has.
        *self.sending.lock() = None;
        self.activity.set_streams(0);
    }
}
