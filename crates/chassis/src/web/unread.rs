//! The rest of a request that its call does not read, such as that of a message above the limit.
//!
//! A client could lose the response if its stream or its connection were closed while it sends.
//! hyper closes a connection whose request was not read, and curl 7.88 takes the reset of a stream,
//! whatever its reason, for an error. So the rest is read, within limits.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Version, header::EXPECT};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tokio::{runtime::Handle, time::timeout};
use tonic::Status;

use crate::body::Body;

/// How much of the rest is read, in bytes: more than the usual limit of a message. If a client
/// sends more, its stream is reset, or its connection of HTTP/1 is closed.
const MAX_DISCARDED: usize = 8 << 20;

/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Makes the body of the request read its rest when it is dropped.
pub(super) fn discard_unread(request: &mut Request<Body>) {
    // hyper asks a client with `expect` for its body only when the body is read.
    let is_asked_for =
        request.version() != Version::HTTP_2 && request.headers().contains_key(EXPECT);
    if is_asked_for || request.body().is_end_stream() {
        return;
    }
    let body = mem::take(request.body_mut());
    *request.body_mut() = Body::stream(Unread(Some(body)));
}

/// A body whose rest is read when it is dropped. `None` after its end.
struct Unread(Option<Body>);

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let Some(body) = self.0.take().filter(|body| !body.is_end_stream()) else { return };
        // There is no runtime at the end of the process.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(DISCARD_TIME, discard(body)));
        }
    }
}

async fn discard(mut body: Body) {
    let mut discarded = 0;
    while discarded < MAX_DISCARDED
        && let Some(Ok(frame)) = body.frame().await
    {
        discarded += frame.data_ref().map_or(0, Bytes::len);
    }
}
