//! A connection that passes a few bytes at a time.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes that one read or write passes.
const MOST: usize = 17;

/// Passes 1 to 17 bytes in each read and write, and makes the caller wait at random.
#[derive(Debug)]
pub struct Trickle<I> {
    io: I,
    random: fastrand::Rng,
    is_vectored: bool,
}

impl<I> Trickle<I> {
    /// Returns `io` with the sizes and the waits of this seed.
    pub fn new(io: I, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let is_vectored = random.bool();
        Self { io, random, is_vectored }
    }

    /// Returns how many bytes may pass, or wakes the caller to ask again.
    fn poll_size(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        if self.random.u8(..4) == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.random.usize(1..=MOST))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Trickle<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = ready!(self.poll_size(cx)).min(buffer.remaining());
        let mut bytes = [0; MOST];
        let mut part = ReadBuf::new(&mut bytes[..size]);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut part))?;
        buffer.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Trickle<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let size = ready!(self.poll_size(cx)).min(bytes.len());
        Pin::new(&mut self.io).poll_write(cx, &bytes[..size])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let size = ready!(self.poll_size(cx));
        // Copied, so that a write can end inside any of the slices.
        let bytes: Vec<u8> =
            bytes.iter().flat_map(|bytes| bytes.iter()).copied().take(size).collect();
        Pin::new(&mut self.io).poll_write(cx, &bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
