//! The end of a connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::sleep,
};

use super::{life::Life, limits::MAX_READ_PER_TURN, scratch, session::Session};
use crate::{ended::Ended, linger::MAX_LINGER, reason::Reason};

impl<I, S, F, B> Session<'_, I, S, F, B>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    /// Takes no more streams if the peer has sent GOAWAY, and no stream is open.
    pub(super) fn leave_if_peer_leaves(&mut self) {
        let takes_streams = matches!(self.core.life, Life::Open | Life::Announced);
        if self.core.is_peer_leaving && takes_streams && self.core.streams.is_empty() {
            self.core.leave(Reason::NO_ERROR, "");
        }
    }

    /// Closes the connection if it takes no more streams, and no stream is open.
    pub(super) fn close_if_done(&mut self) {
        let is_done = self.core.streams.is_empty() && self.core.output.is_flushed();
        // Not before all output is written, because the peer may read slowly, and its time to close
        // begins here.
        if matches!(self.core.life, Life::Leaving { .. }) && is_done {
            self.core.close();
        }
    }

    /// Returns how the connection ended, after its transport has failed.
    pub(super) fn lost(&mut self, error: &io::Error) -> Ended {
        let is_idle = self.core.streams.is_empty() && self.partial.is_empty();
        self.core.close();
        match self.core.ended.take() {
            Some(ended) => ended,
            None if is_idle && error.kind() == io::ErrorKind::UnexpectedEof => Ended::Closed,
            None => Ended::Failed(error.to_string()),
        }
    }

    /// Writes what waits, closes the transport, and waits for the peer to close it.
    ///
    /// Closing a socket with unread bytes resets the connection: responses and the GOAWAY that
    /// the peer has not read yet would be lost.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let linger = self.linger.get_or_insert_with(|| Box::pin(sleep(MAX_LINGER)));
        if linger.as_mut().poll(cx).is_pending() {
            // An error of the transport changes nothing: the connection has ended.
            let _closed = ready!(self.poll_closed(cx));
        }
        Poll::Ready(self.core.ended.take().unwrap_or(Ended::Closed))
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(self.core.output.poll_flush(self.io, cx))?;
            ready!(Pin::new(&mut *self.io).poll_shutdown(cx))?;
            self.is_shut = true;
        }
        let mut buffer = scratch::take_read_buffer();
        let mut discarded = 0;
        let result = loop {
            if discarded >= MAX_READ_PER_TURN {
                // Lets other tasks run.
                cx.waker().wake_by_ref();
                break Poll::Pending;
            }
            let mut unread = ReadBuf::new(&mut buffer);
            match Pin::new(&mut *self.io).poll_read(cx, &mut unread) {
                Poll::Ready(Ok(())) if !unread.filled().is_empty() => {
                    discarded += unread.filled().len();
                }
                other => break other,
            }
        };
        scratch::return_read_buffer(buffer);
        result
    }
}
