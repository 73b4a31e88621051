//! The body of a request.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, header::EXPECT};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;
use tonic::Status;

use crate::{body::Body, cause::Cause};

/// How much is read of the rest of a body that a call did not read, in bytes. A connection whose
/// client sends more is closed.
const MAX_DISCARDED: usize = 4 << 20;

/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Returns the request with the body of the layers.
pub(super) fn received(request: Request<Incoming>) -> Request<Body> {
    // Such a client does not send its body before it is asked to, and then it is not.
    let can_discard = !request.headers().contains_key(EXPECT);
    request.map(|body| {
        if body.is_end_stream() {
            Body::empty()
        } else {
            Body::stream(Received { body: Some(body), can_discard })
        }
    })
}

struct Received {
    /// `None` after its end.
    body: Option<Incoming>,
    can_discard: bool,
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|_| Cause::BrokenRequest.body_error())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }
}

impl Drop for Received {
    /// Reads the rest, because hyper closes a connection whose request was not read. The client
    /// could lose a response that it gets before it has sent everything.
    fn drop(&mut self) {
        if self.can_discard
            && let Some(body) = self.body.take().filter(|body| !body.is_end_stream())
        {
            tokio::spawn(timeout(DISCARD_TIME, discard(body)));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut discarded = 0;
    while discarded < MAX_DISCARDED
        && let Some(Ok(frame)) = body.frame().await
    {
        discarded += frame.data_ref().map_or(0, Bytes::len);
    }
}
