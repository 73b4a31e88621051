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

/// The most bytes that hyper gets at once. It takes more only when it has written them, so that the
/// body, and with it the call, lasts until nearly all of it is with the kernel.
const PIECE: usize = 16 * 1024;

/// The body of the response that a connection is sending. hyper does not poll it while the client
/// reads nothing; then the connection does.
#[derive(Debug, Clone, Default)]
pub(super) struct Sending(Arc<Mutex<Slot>>);

#[derive(Debug, Default)]
struct Slot {
    body: Option<Body>,
    /// Data of the body that hyper does not have yet.
    rest: Bytes,
}

impl Slot {
    fn is_end(&self) -> bool {
        self.rest.is_empty() && self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }
}

impl Sending {
    /// Resolves when the body must end before all of its frames are sent.
    pub(super) fn poll_early_end(&self, cx: &mut Context<'_>, since: Instant) -> Poll<()> {
        let mut slot = self.lock();
        let Some(body) = &mut slot.body else { return Poll::Pending };
        Pin::new(body).poll_early_end(cx, Some(since)).map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        // The lock may be poisoned: a panic within the body ends the connection, which drops this.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handle through which hyper reads the body.
pub(super) struct SendingBody {
    sending: Sending,
    activity: Arc<Activity>,
}

impl SendingBody {
    pub(super) fn new(body: Body, sending: Sending, activity: Arc<Activity>) -> Self {
        *sending.lock() = Slot { body: Some(body), rest: Bytes::new() };
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
        let mut slot = self.sending.lock();
        if slot.rest.is_empty() {
            let Some(body) = &mut slot.body else { return Poll::Ready(None) };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => slot.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                end => {
                    slot.body = None;
                    return Poll::Ready(end);
                }
            }
        }
        let length = slot.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(slot.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.sending.lock().is_end()
    }
}

impl Drop for SendingBody {
    fn drop(&mut self) {
        // The body or the connection has ended.
        *self.sending.lock() = Slot::default();
        self.activity.set_streams(0);
    }
}
