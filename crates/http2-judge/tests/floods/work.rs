//! The work that the peer makes handlers do.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use http2_judge::{
    body::{BoxError, Outgoing},
    server::Handler,
};
use tokio::time::sleep;

/// Returns the request's body.
pub(crate) const ECHO: &str = "/echo";
/// Responds at once, without the request's body.
pub(crate) const EARLY: &str = "/early";
/// Never responds.
pub(crate) const WAIT: &str = "/wait";
/// Reads the request's body, and returns 8 bytes that say how long it is.
pub(crate) const LENGTH: &str = "/length";
/// As [`LENGTH`], but begins to read after a second.
pub(crate) const SLOW: &str = "/slow";
/// Returns a complete body of [`LARGE_LENGTH`] bytes.
pub(crate) const LARGE: &str = "/large";
/// Returns [`STREAM_FRAMES`] frames of 16 KiB.
pub(crate) const STREAM: &str = "/stream";

/// The length of a [`LARGE`] response.
pub(crate) const LARGE_LENGTH: usize = 1024 * 1024;
/// The frames of a [`STREAM`] response.
pub(crate) const STREAM_FRAMES: u64 = 640;

static ZEROS: [u8; LARGE_LENGTH] = [0; LARGE_LENGTH];

/// The work that handlers have done.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// The calls that have begun.
    pub(crate) calls: AtomicU64,
    /// The handlers that run.
    pub(crate) running: AtomicU64,
    /// The most handlers that ran at once.
    pub(crate) most_running: AtomicU64,
    /// The frames taken of streamed responses.
    pub(crate) frames: AtomicU64,
}

impl Work {
    /// Returns a handler that counts its work here.
    pub(crate) fn handler(self: &Arc<Self>) -> Handler {
        let work = Arc::clone(self);
        Handler::new(move |request| {
            let work = Arc::clone(&work);
            async move {
                let _running = Running::new(&work);
                Response::new(match request.uri().path() {
                    ECHO => match request.into_body().collect().await {
                        Ok(body) => Outgoing::complete(body.to_bytes(), None),
                        Err(_reset) => Outgoing::empty(),
                    },
                    path @ (LENGTH | SLOW) => {
                        if path == SLOW {
                            sleep(Duration::from_secs(1)).await;
                        }
                        let mut length = 0_u64;
                        let mut body = request.into_body();
                        while let Some(Ok(frame)) = body.frame().await {
                            length += frame.data_ref().map_or(0, |data| data.len() as u64);
                        }
                        Outgoing::complete(length.to_be_bytes().to_vec(), None)
                    }
                    LARGE => Outgoing::complete(Bytes::from_static(&ZEROS), None),
                    STREAM => Outgoing::stream(Counted(Arc::clone(&work), STREAM_FRAMES)),
                    WAIT => std::future::pending().await,
                    _ => Outgoing::empty(),
                })
            }
        })
    }
}

/// Counts a handler while it runs.
struct Running(Arc<Work>);

impl Running {
    fn new(work: &Arc<Work>) -> Self {
        work.calls.fetch_add(1, Relaxed);
        let running = work.running.fetch_add(1, Relaxed) + 1;
        work.most_running.fetch_max(running, Relaxed);
        Self(Arc::clone(work))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
    }
}

/// A body that counts the frames that are taken. The number says how many are left.
struct Counted(Arc<Work>, u64);

impl Body for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.1 == 0 {
            return Poll::Ready(None);
        }
        self.1 -= 1;
        self.0.frames.fetch_add(1, Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&ZEROS[..16 * 1024])))))
    }
}
