//! The bytes that wait to be written.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::scratch;

/// Data of at least this length, in bytes, is shared and not copied.
const MIN_SHARED: usize = 4 * 1024;

/// The most buffers that are written at a time.
const MAX_SLICES: usize = 32;

/// Output: shared buffers, and behind them the buffer that frames are added to.
#[derive(Debug, Default)]
pub(super) struct Output {
    shared: VecDeque<Bytes>,
    tail: Vec<u8>,
    /// How many bytes of the tail have been written.
    written: usize,
    length: usize,
    needs_flush: bool,
}

impl Output {
    /// Returns how many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Returns whether everything has been written, and has left the transport's buffer.
    pub(super) fn is_flushed(&self) -> bool {
        self.length == 0 && !self.needs_flush
    }

    /// Adds the frames that `put` appends to the buffer.
    #[inline]
    pub(super) fn put(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let before = self.tail.len();
        put(&mut self.tail);
        self.length += self.tail.len() - before;
    }

    /// Adds data, and copies it if that is cheaper than to share it.
    pub(super) fn put_data(&mut self, data: Bytes) {
        if data.len() < MIN_SHARED {
            self.put(|tail| tail.extend_from_slice(&data));
            return;
        }
        if self.written < self.tail.len() {
            let mut tail = Bytes::from(std::mem::take(&mut self.tail));
            tail.advance(self.written);
            self.shared.push_back(tail);
        }
        self.tail.clear();
        self.written = 0;
        self.length += data.len();
        self.shared.push_back(data);
    }

    /// Uses the thread's buffer while the connection runs.
    pub(super) fn take_scratch(&mut self) {
        if self.tail.capacity() == 0 {
            self.tail = scratch::take_output();
        }
    }

    /// Gives the thread's buffer back, unless bytes wait in it.
    pub(super) fn return_scratch(&mut self) {
        if self.length == 0 {
            self.tail.clear();
            self.written = 0;
            scratch::return_output(std::mem::take(&mut self.tail));
        }
    }

    /// Writes everything.
    ///
    /// # Errors
    ///
    /// Returns the error of the transport.
    pub(super) fn poll_flush<I>(&mut self, io: &mut I, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        I: AsyncWrite + Unpin,
    {
        while self.length > 0 {
            let written = if self.shared.is_empty() {
                ready!(Pin::new(&mut *io).poll_write(cx, &self.tail[self.written..]))?
            } else {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let tail = &self.tail[self.written..];
                let buffers = self.shared.iter().map(|bytes| &bytes[..]).chain([tail]);
                let mut count = 0;
                for (slice, bytes) in slices.iter_mut().zip(buffers) {
                    *slice = IoSlice::new(bytes);
                    count += 1;
                }
                ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices[..count]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
            self.needs_flush = true;
        }
        if self.needs_flush {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        self.length -= written;
        while let Some(front) = self.shared.front_mut() {
            if written < front.len() {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.shared.pop_front();
        }
        self.written += written;
        if self.length == 0 {
            self.tail.clear();
            self.written = 0;
        }
    }
}
