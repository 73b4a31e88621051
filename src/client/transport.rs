//! What a connection reads and writes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::oneshot,
};
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::tls::explain;
use crate::keepalive::Heard;

/// A connection to which HTTP/2 is still to come.
pub(super) type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// What HTTP/2 runs on. It tells what became of the first read, and it is read to
/// its end.
///
/// A server that closes a connection may have answered before that, or said why.
/// Writing finds the connection closed first, and HTTP/2 would stop there, with
/// answers unread. So what cannot be written is dropped, and the end is left to
/// what is read: where a connection is closed, that ends too.
#[derive(Debug)]
pub(super) struct Transport {
    stream: Stream,
    tell: Option<oneshot::Sender<Result<(), String>>>,
    heard: Arc<Heard>,
    writes_fail: bool,
}

impl Transport {
    /// It tells `heard` of all that is read.
    pub(super) fn new(
        stream: Stream,
        tell: oneshot::Sender<Result<(), String>>,
        heard: Arc<Heard>,
    ) -> Self {
        Self { stream, tell: Some(tell), heard, writes_fail: false }
    }

    fn written<T>(&mut self, written: Poll<io::Result<T>>, dropped: T) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Err(_)) => {
                self.writes_fail = true;
                Poll::Ready(Ok(dropped))
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
        self.heard.check()?;
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.heard.now();
        if let Some(tell) = self.tell.take() {
            // Nobody may wait for it any more.
            let _ = tell.send(match &read {
                Ok(()) => greeting(&buffer.filled()[before..]),
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
        self.written(written, bytes.len())
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
        self.written(written, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.writes_fail {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(flushed, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A server's first bytes are a SETTINGS frame (RFC 9113, section 3.4); these
/// are what comes of the usual mistakes.
fn greeting(bytes: &[u8]) -> Result<(), String> {
    match bytes {
        [] => Err("the server closed the connection".to_owned()),
        // An alert of TLS (RFC 8446, section 5.1).
        [0x15, 3, ..] => Err("the server speaks TLS: pass --tls".to_owned()),
        _ if bytes.starts_with(b"HTTP/1") => Err("the server speaks HTTP/1, not HTTP/2".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn what_a_server_said_before_it_closed_is_read_though_writing_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let stream = TcpStream::connect(address).await.expect("it listens");
        let (tell, answered) = oneshot::channel();
        let heard = Arc::new(Heard::new());
        let mut transport = Transport::new(Either::Left(stream), tell, heard);
        let (mut server, _) = listener.accept().await.expect("a client");

        transport.write_all(b"never read").await.expect("it is open");
        server.readable().await.expect("it is open");
        server.write_all(b"the answer").await.expect("it is open");
        // Something is unread: this resets the connection.
        drop(server);
        let Either::Left(tcp) = &transport.stream else { panic!("there is no TLS") };
        tcp.ready(tokio::io::Interest::ERROR).await.expect("an event");
        for _ in 0..3 {
            transport.write_all(b"too late").await.expect("nobody is told");
            transport.flush().await.expect("nobody is told");
        }
        let mut answer = [0; 10];
        transport.read_exact(&mut answer).await.expect("it was there before the end");
        assert_eq!(&answer, b"the answer");
        assert_eq!(answered.await, Ok(Ok(())));
    }
}
