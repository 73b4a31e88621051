//! The byte stream below HTTP/2.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use wire::keepalive::PeerActivity;

use crate::{tls::SocketStream, tls_problem::explain};

/// A connection before HTTP/2.
pub(crate) type Stream = Either<SocketStream, TlsStream<SocketStream>>;

/// The byte stream below HTTP/2. It reports the outcome of the first read, and is read to
/// its end.
///
/// A server that closes a connection may have sent responses or GOAWAY before. A write fails
/// first, and HTTP/2 would then stop with these unread. Therefore failed writes are ignored:
/// if the connection is closed, reads end too.
#[derive(Debug)]
pub(crate) struct Transport {
    stream: Stream,
    first_read: Option<oneshot::Sender<Result<(), String>>>,
    activity: Arc<PeerActivity>,
    writes_fail: bool,
}

impl Transport {
    /// Returns a transport that reports its first read, and records every read as activity.
    pub(crate) fn new(
        stream: Stream,
        first_read: oneshot::Sender<Result<(), String>>,
        activity: Arc<PeerActivity>,
    ) -> Self {
        Self { stream, first_read: Some(first_read), activity, writes_fail: false }
    }

    /// Replaces a failed write by the success that `ignored` describes.
    fn ignore_failure<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        ignored: T,
    ) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Err(_)) => {
                self.writes_fail = true;
                Poll::Ready(Ok(ignored))
            }
            written => written,
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.activity.check()?;
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.activity.record();
        if let Some(first_read) = self.first_read.take() {
            // Fails only if the receiver has stopped waiting.
            let _ = first_read.send(match &read {
                Ok(()) => check_greeting(&buffer.filled()[before..]),
                Err(error) => Err(explain(error)),
            });
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.writes_fail {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.ignore_failure(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bytes.iter().map(|bytes| bytes.len()).sum();
        if self.writes_fail {
            return Poll::Ready(Ok(length));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.ignore_failure(written, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.writes_fail {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.ignore_failure(flushed, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Checks the first bytes of a server, which begin a SETTINGS frame (RFC 9113, section 3.4).
///
/// # Errors
///
/// Returns a text for people if the bytes show one of the usual mistakes.
fn check_greeting(bytes: &[u8]) -> Result<(), String> {
    match bytes {
        [] => Err("the server closed the connection".to_owned()),
        // A TLS alert (RFC 8446, section 5.1).
        [0x15, 3, ..] => Err("the server speaks TLS: pass --tls".to_owned()),
        _ if bytes.starts_with(b"HTTP/1") => Err("the server speaks HTTP/1, not HTTP/2".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[tokio::test]
    async fn bytes_sent_before_the_connection_closed_are_read_although_writes_fail() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let stream = TcpStream::connect(address).await.expect("it listens");
        let (first_read, greeting) = oneshot::channel();
        let activity = Arc::new(PeerActivity::new());
        let mut transport =
            Transport::new(Either::Left(Either::Left(stream)), first_read, activity);
        let (mut server, _) = listener.accept().await.expect("a client");

        transport.write_all(b"never read").await.expect("it is open");
        server.readable().await.expect("it is open");
        server.write_all(b"a response").await.expect("it is open");
        // This resets the connection, because bytes are unread.
        drop(server);
        let Either::Left(Either::Left(tcp)) = &transport.stream else {
            panic!("the stream is plaintext")
        };
        tcp.ready(tokio::io::Interest::ERROR).await.expect("an event");
        for _ in 0..3 {
            transport.write_all(b"too late").await.expect("the failure is ignored");
            transport.flush().await.expect("the failure is ignored");
        }
        let mut response = [0; 10];
        transport.read_exact(&mut response).await.expect("it arrived before the end");
        assert_eq!(&response, b"a response");
        assert_eq!(greeting.await, Ok(Ok(())));
    }
}
