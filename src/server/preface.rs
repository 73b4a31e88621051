//! The first bytes of a connection: is this HTTP/2? And the last: has the peer read them?
//!
//! HTTP/2 would wait for the first for ever, and answers HTTP/1 with nothing that its
//! clients can read; it would not wait for the last at all.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::{Sleep, sleep},
};

use crate::keepalive::Heard;

/// What an HTTP/2 client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much of a request is read that will not be served.
const MOST_READ: u64 = 64 * 1024;

/// The longest that a peer may take to end a connection that has ended here. Less than
/// the drain's grace for what it cuts: else an idle connection would count as cut.
const LONGEST_LINGER: Duration = Duration::from_millis(400);

/// What an HTTP/1 client can read (RFC 9110, section 15.6.6).
const HTTP1_REFUSAL: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\n\
    content-type: text/plain\r\ncontent-length: 36\r\nconnection: close\r\n\r\n\
    this server speaks gRPC over HTTP/2\n";

/// Reads the preface, and gives the connection as it was before. It will tell `heard` of
/// what is read.
///
/// A peer that says something else is told that this is HTTP/2.
///
/// # Errors
///
/// Where the peer said something else, or went away.
pub(super) async fn read<I>(mut io: I, heard: Arc<Heard>) -> io::Result<AfterPreface<I>>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = [0; PREFACE.len()];
    let mut length = 0;
    while length < PREFACE.len() {
        let read = io.read(&mut bytes[length..]).await?;
        length += read;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if bytes[..length] != PREFACE[..length] {
            io.write_all(HTTP1_REFUSAL).await?;
            io.shutdown().await?;
            // Closing with bytes unread would reset the connection, and the
            // refusal could be lost with it.
            tokio::io::copy(&mut io.take(MOST_READ), &mut tokio::io::sink()).await?;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the peer does not speak HTTP/2",
            ));
        }
    }
    Ok(AfterPreface { io, given_back: 0, heard, linger: None })
}

/// A connection whose preface was read and is read again.
#[derive(Debug)]
pub(super) struct AfterPreface<I> {
    io: I,
    given_back: usize,
    heard: Arc<Heard>,
    /// How long the peer's end is waited for, once ours is sent.
    linger: Option<Pin<Box<Sleep>>>,
}

impl<I: AsyncRead + Unpin> AsyncRead for AfterPreface<I> {
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

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for AfterPreface<I> {
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
        io::{DuplexStream, duplex},
        time::Instant,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_the_peer_says_is_noted() {
        let (mut io, mut peer) = begun().await;
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
    async fn begun() -> (AfterPreface<DuplexStream>, DuplexStream) {
        let (io, mut peer) = duplex(PREFACE.len());
        peer.write_all(PREFACE).await.expect("there is room");
        (read(io, Arc::new(Heard::new())).await.expect("it is the preface"), peer)
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_closed_once_the_peer_has_ended_and_all_that_it_sent_is_read() {
        let (mut io, mut peer) = begun().await;
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
        let (mut io, mut peer) = begun().await;
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
