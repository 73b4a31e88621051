//! The transport of a connection of HTTP/1.

use std::{
    io,
    io::IoSlice,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// The time since when the client has taken none of the bytes that wait to be written.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocked(Arc<Mutex<Option<Instant>>>);

impl Blocked {
    /// Returns the time, or `None` if no byte waits.
    pub(super) fn since(&self) -> Option<Instant> {
        *self.0.lock().expect(NEVER_POISONED)
    }

    fn record(&self, is_pending: bool) {
        let mut since = self.0.lock().expect(NEVER_POISONED);
        *since = is_pending.then(|| since.unwrap_or_else(Instant::now));
    }
}

const NEVER_POISONED: &str = "nothing panics while it is locked";

/// A transport that begins with the bytes that were read to tell HTTP/1 from HTTP/2.
#[derive(Debug)]
pub(crate) struct Http1Io<I> {
    io: I,
    first: Bytes,
    blocked: Blocked,
}

impl<I> Http1Io<I> {
    pub(crate) fn new(io: I, first: Bytes) -> Self {
        Self { io, first, blocked: Blocked::default() }
    }

    pub(super) fn blocked(&self) -> Blocked {
        self.blocked.clone()
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Http1Io<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buffer);
        }
        let length = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> Http1Io<I> {
    fn observe<T>(&mut self, polled: Poll<T>) -> Poll<T> {
        self.blocked.record(polled.is_pending());
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Http1Io<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.observe(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        // A flush of TCP is always ready, even if hyper still has bytes to write, so it does not
        // end the time.
        if polled.is_pending() { self.observe(polled) } else { polled }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(cx);
        self.observe(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.observe(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
