//! One connection to one IP address: TCP, TLS, HTTP/2.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::uri::Authority;
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::oneshot,
};
use tokio_rustls::client::TlsStream;
use tokio_util::{either::Either, task::AbortOnDropHandle};

use super::{
    address::host,
    innermost,
    tls::{Tls, explain},
};

/// How often a silent server is asked whether it is there while calls are in
/// flight: what gRPC's servers allow by default. More often, and they close the
/// connection (gRFC A8).
const KEEPALIVE: Duration = Duration::from_secs(5 * 60);
/// How long it may take to answer that, or to acknowledge what was sent
/// (TCP_USER_TIMEOUT, gRFC A18).
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// What sends requests on a connection.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// A connection to which HTTP/2 is still to come.
pub(super) type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// A connection whose server has begun HTTP/2.
pub(super) struct Connection {
    pub(super) sender: Sender,
    /// Ends when no request can be sent any more. Those in flight have tasks of
    /// their own.
    pub(super) open: AbortOnDropHandle<hyper::Result<()>>,
}

/// Connects; with TLS, where the server is trusted. The error is for people.
pub(super) async fn open(
    address: SocketAddr,
    authority: &Authority,
    tls: Option<&Tls>,
) -> Result<Stream, String> {
    let tcp = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    // Without either, calls are slower to go out or to fail, and no more than that.
    let _ = tcp.set_nodelay(true);
    let _ = SockRef::from(&tcp).set_tcp_user_timeout(Some(KEEPALIVE_TIMEOUT));
    Ok(match tls {
        None => Either::Left(tcp),
        Some(tls) => Either::Right(tls.connect(host(authority), tcp).await?),
    })
}

/// Begins HTTP/2, and waits until the server has too: until then nobody knows
/// that it is one, or that it accepts this client's certificate.
pub(super) async fn begin(stream: Stream) -> Result<Connection, String> {
    let (tell, answered) = oneshot::channel();
    let stream = Transport { stream, tell: Some(tell), writes_fail: false };
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| innermost(&error))?;
    let open = AbortOnDropHandle::new(tokio::spawn(connection));
    match answered.await {
        Ok(Ok(())) => Ok(Connection { sender, open }),
        Ok(Err(problem)) => Err(problem),
        Err(_gone) => Err("the connection ended before HTTP/2 began".to_owned()),
    }
}

/// What HTTP/2 runs on. It tells what became of the first read, and it is read to
/// its end.
///
/// A server that closes a connection may have answered before that, or said why.
/// Writing finds the connection closed first, and HTTP/2 would stop there, with
/// answers unread. So what cannot be written is dropped, and the end is left to
/// what is read: where a connection is closed, that ends too.
struct Transport {
    stream: Stream,
    tell: Option<oneshot::Sender<Result<(), String>>>,
    writes_fail: bool,
}

impl Transport {
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
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
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
        let (stream, tell) = (Either::Left(stream), Some(tell));
        let mut transport = Transport { stream, tell, writes_fail: false };
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
