//! The socket of a connection, as h2 reads and writes it.
//!
//! h2 expects the preface, which was read before, so it is replayed. And h2 closes the
//! socket without waiting until the peer has read the last frames, so closing is delayed.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::{linger::MAX_LINGER, preface::PREFACE};
use wire::keepalive::PeerActivity;

/// A connection whose preface has been read.
#[derive(Debug)]
pub(super) struct Transport<I> {
    io: I,
    /// How many bytes of the preface have been replayed.
    replayed: usize,
    activity: Arc<PeerActivity>,
    /// The timer that ends the wait for the peer to close. It starts when this side has closed.
    linger: Option<Pin<Box<Sleep>>>,
}

impl<I> Transport<I> {
    /// Returns the transport, which records each read in `activity`.
    pub(super) fn new(io: I, activity: Arc<PeerActivity>) -> Self {
        Self { io, replayed: 0, activity, linger: None }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Transport<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &PREFACE[self.replayed..];
        if rest.is_empty() {
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, buffer));
            self.activity.record();
            return Poll::Ready(read);
        }
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..length]);
        self.replayed += length;
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Closing a socket with unread bytes resets the connection: responses and the GOAWAY
        // that the peer has not read yet would be lost.
        let Self { io, linger, .. } = &mut *self;
        let linger = match linger {
            Some(linger) => linger,
            None => {
                ready!(Pin::new(&mut *io).poll_shutdown(cx))?;
                linger.insert(Box::pin(sleep(MAX_LINGER)))
            }
        };
        let mut unread = [0; 4096];
        while linger.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut unread);
            let read = ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::Instant,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_read_is_recorded_as_activity() {
        let (mut io, mut peer) = begun();
        let mut bytes = *PREFACE;
        io.read_exact(&mut bytes).await.expect("it is replayed");
        sleep(MAX_LINGER).await;
        let before = Instant::now();
        assert!(io.activity.last() < before);
        peer.write_all(b"more").await.expect("there is room");
        io.read_exact(&mut bytes[..4]).await.expect("it is there");
        assert_eq!(io.activity.last(), before);
    }

    /// Returns a transport and its peer.
    fn begun() -> (Transport<DuplexStream>, DuplexStream) {
        let (io, peer) = duplex(PREFACE.len());
        (Transport::new(io, Arc::new(PeerActivity::new())), peer)
    }

    #[tokio::test(start_paused = true)]
    async fn closing_waits_until_the_peer_has_closed_and_reads_what_it_sent() {
        let (mut io, mut peer) = begun();
        let mut end = tokio_test::task::spawn(io.shutdown());
        assert!(end.poll().is_pending());
        assert_eq!(peer.read(&mut [0]).await.expect("the end"), 0, "the end is sent at once");
        for _ in 0..2 {
            // The pipe has room for one.
            let sent = peer.write_all(PREFACE).now_or_never();
            sent.expect("the one before was read").expect("it is open");
            assert!(end.poll().is_pending());
        }
        drop(peer);
        assert!(end.poll().is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn closing_waits_no_longer_than_the_linger_time() {
        let (mut io, mut peer) = begun();
        let start = Instant::now();
        let sends = async {
            loop {
                peer.write_all(b"more").await.expect("it is open");
                sleep(MAX_LINGER / 10).await;
            }
        };
        tokio::select! {
            () = sends => {}
            ended = io.shutdown() => ended.expect("it ends"),
        }
        // tokio's timers end on the next whole millisecond.
        assert!((start.elapsed() - MAX_LINGER).as_millis() <= 1);
    }
}
