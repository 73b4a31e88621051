//! The byte stream below HTTP/2.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wire::keepalive::PeerActivity;

use crate::greeting::Greeting;

/// The byte stream below HTTP/2. It checks the first bytes, and is read to its end.
///
/// A server that closes a connection may have sent responses or GOAWAY before. A write fails
/// first, and HTTP/2 would then stop with these unread. Therefore failed writes are ignored:
/// if the connection is closed, reads end too.
#[derive(Debug)]
pub(crate) struct Transport<S> {
    stream: S,
    /// Until the first bytes are read.
    greeting: Option<Greeting>,
    activity: Arc<PeerActivity>,
    writes_fail: bool,
}

impl<S> Transport<S> {
    /// Returns a transport that reads the greeting first, and records every read as activity.
    pub(crate) fn new(stream: S, greeting: Greeting, activity: Arc<PeerActivity>) -> Self {
        Self { stream, greeting: Some(greeting), activity, writes_fail: false }
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

impl<S: AsyncRead + Unpin> AsyncRead for Transport<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, greeting, activity, .. } = &mut *self;
        activity.check()?;
        let read = match greeting {
            None => Pin::new(stream).poll_read(cx, buffer),
            Some(first) => {
                let read = first.poll_read(stream, cx, buffer);
                if first.is_over() {
                    *greeting = None;
                }
                read
            }
        };
        if read.is_ready() {
            activity.record();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Transport<S> {
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        sync::oneshot,
    };

    use super::*;

    /// A SETTINGS frame, with which a server begins (RFC 9113, section 3.4), and other bytes.
    const RESPONSE: &[u8] = b"\0\0\0\x04\0\0\0\0\0a response";

    #[tokio::test]
    async fn bytes_sent_before_the_connection_closed_are_read_although_writes_fail() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let stream = TcpStream::connect(address).await.expect("it listens");
        let (outcome, greeting) = oneshot::channel();
        let activity = Arc::new(PeerActivity::new());
        let mut transport = Transport::new(stream, Greeting::new(outcome), activity);
        let (mut server, _) = listener.accept().await.expect("a client");

        transport.write_all(b"never read").await.expect("it is open");
        server.readable().await.expect("it is open");
        server.write_all(RESPONSE).await.expect("it is open");
        // This resets the connection, because bytes are unread.
        drop(server);
        transport.stream.ready(tokio::io::Interest::ERROR).await.expect("an event");
        for _ in 0..3 {
            transport.write_all(b"too late").await.expect("the failure is ignored");
            transport.flush().await.expect("the failure is ignored");
        }
        let mut response = [0; RESPONSE.len()];
        transport.read_exact(&mut response).await.expect("it arrived before the end");
        assert_eq!(&response, RESPONSE);
        assert_eq!(greeting.await, Ok(Ok(())));
    }
}
