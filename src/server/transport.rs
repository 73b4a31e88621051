//! What a connection reads and writes, from its preface to its end.
//!
//! h2 reads the preface, though it was read before; it would close a connection whether
//! the peer has read the last of it or not.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::preface::PREFACE;
use crate::keepalive::Heard;

/// The longest that a peer may take to end a connection that has ended here. Less than
/// the drain's grace for what it cuts: else an idle connection would count as cut.
const LONGEST_LINGER: Duration = Duration::from_millis(400);

/// A connection whose preface was read, and is read again by h2.
#[derive(Debug)]
pub(super) struct Transport<I> {
    io: I,
    given_back: usize,
    heard: Arc<Heard>,
    /// How long the peer's end is waited for, once ours is sent.
    linger: Option<Pin<Box<Sleep>>>,
}

impl<I> Transport<I> {
    /// It will tell `heard` of what is read.
    pub(super) fn new(io: I, heard: Arc<Heard>) -> Self {
        Self { io, given_back: 0, heard, linger: None }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Transport<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &PREFACE[self.given_back..];
        if rest.is_empty() {
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, buffer));
            self.heard.now();
            return Poll::Ready(read);
        }
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..length]);
        self.given_back += length;
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
        // Closing with bytes unread would reset the connection, and with them answers
        // and the GOAWAY that the peer has yet to read would be lost.
        let Self { io, linger, .. } = &mut *self;
        let linger = match linger {
            Some(linger) => linger,
            None => {
                ready!(Pin::new(&mut *io).poll_shutdown(cx))?;
                linger.insert(Box::pin(sleep(LONGEST_LINGER)))
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
    async fn what_the_peer_says_is_noted() {
        let (mut io, mut peer) = begun();
        let mut bytes = *PREFACE;
        io.read_exact(&mut bytes).await.expect("it is given back");
        sleep(LONGEST_LINGER).await;
        let before = Instant::now();
        assert!(io.heard.last() < before);
        peer.write_all(b"more").await.expect("there is room");
        io.read_exact(&mut bytes[..4]).await.expect("it is there");
        assert_eq!(io.heard.last(), before);
    }

    /// A connection that has begun, and its peer.
    fn begun() -> (Transport<DuplexStream>, DuplexStream) {
        let (io, peer) = duplex(PREFACE.len());
        (Transport::new(io, Arc::new(Heard::new())), peer)
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_closed_once_the_peer_has_ended_and_all_that_it_sent_is_read() {
        let (mut io, mut peer) = begun();
        let mut end = tokio_test::task::spawn(io.shutdown());
        assert!(end.poll().is_pending());
        assert_eq!(peer.read(&mut [0]).await.expect("the end"), 0, "it is told at once");
        for _ in 0..2 {
            // There is room for no more than one.
            let sent = peer.write_all(PREFACE).now_or_never();
            sent.expect("the one before was read").expect("it is open");
            assert!(end.poll().is_pending());
        }
        drop(peer);
        assert!(end.poll().is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_end_is_not_waited_for_whatever_it_sends() {
        let (mut io, mut peer) = begun();
        let start = Instant::now();
        let sends = async {
            loop {
                peer.write_all(b"more").await.expect("it is open");
                sleep(LONGEST_LINGER / 10).await;
            }
        };
        tokio::select! {
            () = sends => {}
            ended = io.shutdown() => ended.expect("it ends"),
        }
        // tokio's timers end on the next whole millisecond.
        assert!((start.elapsed() - LONGEST_LINGER).as_millis() <= 1);
    }
}
