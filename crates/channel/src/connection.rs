//! One connection to one socket: TCP or a Unix socket, TLS and HTTP/2.

use std::{future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use h2::client::Builder;
use http::uri::Authority;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::oneshot,
    time::timeout,
};
use tokio_rustls::client::TlsStream;
use tokio_util::{either::Either, task::AbortOnDropHandle};
use wire::keepalive::{PeerActivity, timed_out};

use crate::{
    greeting::Greeting,
    host::{Socket, host},
    limits::HEADER_LIST,
    sender::RequestSender,
    status::innermost,
    tls::{SocketStream, Tls},
    transport::Transport,
};

/// How long a server with calls in flight may be silent before a keepalive PING. gRPC
/// servers close the connection of a client that sends them more often (gRFC A8).
const KEEPALIVE: Duration = Duration::from_secs(5 * 60);
/// The keepalive timeout, also for the acknowledgement of sent data (TCP_USER_TIMEOUT,
/// gRFC A18).
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// The flow-control windows for responses. They are larger than HTTP/2's defaults, so that a
/// connection with a long round trip does not wait for window updates.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 5 << 20;
/// The memory that small DATA frames may occupy until they are read, in bytes: h2 counts 256 for
/// each of them. By default h2 allows half of the connection's window, and a response of 50 KiB
/// that a server sends byte by byte is above that.
const SMALL_FRAMES: usize = 64 << 20;
/// The stream limit before the server has sent its own: the lowest that RFC 9113
/// recommends (section 6.5.2).
const INITIAL_STREAM_LIMIT: usize = 100;

/// Opens a connection, with TLS if `tls` is given.
///
/// # Errors
///
/// Returns a text for people if there is no connection.
pub(crate) async fn open(
    socket: &Socket,
    authority: &Authority,
    tls: Option<&Tls>,
) -> Result<Either<SocketStream, TlsStream<SocketStream>>, String> {
    let stream = match socket {
        Socket::Ip(address) => {
            let tcp = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
            // Failures are ignored: both options only make calls faster, or fail sooner.
            let _ = tcp.set_nodelay(true);
            let _ = SockRef::from(&tcp).set_tcp_user_timeout(Some(KEEPALIVE_TIMEOUT));
            Either::Left(tcp)
        }
        Socket::Unix(path) => {
            Either::Right(UnixStream::connect(path).await.map_err(|error| error.to_string())?)
        }
    };
    Ok(match tls {
        None => Either::Left(stream),
        Some(tls) => Either::Right(tls.connect(host(authority), stream).await?),
    })
}

/// Starts HTTP/2, and waits for the first bytes of the server: only they show that it
/// speaks HTTP/2, and that it accepts this client's certificate.
///
/// # Errors
///
/// Returns a text for people if the server does not start HTTP/2.
pub(crate) async fn start(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<RequestSender, String> {
    let (outcome, greeting) = oneshot::channel();
    let activity = Arc::new(PeerActivity::new());
    let (requests, mut connection) = Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_LIST)
        .initial_max_send_streams(INITIAL_STREAM_LIMIT)
        .data_frame_budget(SMALL_FRAMES)
        // No limit: h2 counts the frames that arrive for cancelled calls over the whole life of the
        // connection. At a limit, h2 would end the connection and all its calls.
        .max_local_error_reset_streams(None)
        .handshake(Transport::new(stream, Greeting::new(outcome), activity.clone()))
        .await
        .map_err(|error| innermost(&error))?;
    let pings = connection.ping_pong().expect("this is the first call");
    let (sender, monitor) = RequestSender::new(requests, INITIAL_STREAM_LIMIT);
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        let is_needed = || monitor.has_calls();
        let timed_out = timed_out(pings, activity, KEEPALIVE, KEEPALIVE_TIMEOUT, is_needed);
        let mut end = poll_fn(|cx| {
            let end = Pin::new(&mut connection).poll(cx);
            monitor.update(connection.max_concurrent_send_streams());
            end
        });
        // The result is not used, because h2 passes the error to the calls in flight.
        tokio::select! {
            biased;
            _ = &mut end => {}
            // Reads fail from now on. One more poll notices this and ends the calls in flight.
            // The timeout is 0, because writes may be stuck.
            () = timed_out => drop(timeout(Duration::ZERO, end).await),
        }
    }));
    match greeting.await {
        Ok(Ok(())) if sender.is_closed() && !sender.has_left() => Err(sender.problem()),
        Ok(Ok(())) => {
            task.detach();
            Ok(sender)
        }
        Ok(Err(problem)) => Err(problem),
        Err(_dropped) => Err("the connection ended before HTTP/2 began".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::{pause, resume, sleep},
    };

    use super::*;

    const ACK: u8 = 1;

    /// Returns a PING frame (RFC 9113, section 6.7).
    fn ping(flags: u8) -> Vec<u8> {
        [[0, 0, 8, 6, flags, 0, 0, 0, 0].as_slice(), b"speaking"].concat()
    }

    /// Returns whether a connection times out within an hour, if its server starts HTTP/2
    /// and then sends PING every minute, or nothing.
    async fn times_out(has_call: bool, sends_pings: bool) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let tcp = TcpStream::connect(address).await.expect("it listens");
        let (mut server, _) = listener.accept().await.expect("a client");
        // Nagle's algorithm would delay small writes by real time.
        server.set_nodelay(true).expect("it is open");
        server.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("SETTINGS");
        let sender = start(tcp).await.expect("HTTP/2");
        let call = Request::post("http://localhost/").body(()).expect("a request");
        let permit = sender.permit().await.expect("it is open");
        let response = sender.send(call, Bytes::new(), &permit).expect("it is open");
        let _call = has_call.then_some((response, permit));
        pause();
        for _ in 0..60 {
            sleep(Duration::from_secs(60)).await;
            if sends_pings {
                // Paused time would advance before the client has read.
                resume();
                server.write_all(&ping(0)).await.expect("it is open");
                let mut received = Vec::new();
                while !received.ends_with(&ping(ACK)) {
                    let read = server.read_buf(&mut received).await.expect("it is open");
                    assert_ne!(read, 0, "it is open");
                }
                pause();
            }
        }
        resume();
        sender.is_closed()
    }

    #[tokio::test]
    async fn a_connection_times_out_if_it_has_calls_and_the_server_is_silent() {
        assert!(times_out(true, false).await);
        assert!(!times_out(true, true).await, "the server sends PING");
        assert!(!times_out(false, false).await, "there is no call");
    }
}
