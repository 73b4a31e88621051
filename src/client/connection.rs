//! One connection to one IP address: TCP, TLS, HTTP/2.

use std::{future::poll_fn, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use h2::client::Builder;
use http::uri::Authority;
use socket2::SockRef;
use tokio::{net::TcpStream, sync::oneshot, time::timeout};
use tokio_util::{either::Either, task::AbortOnDropHandle};

use super::{
    address::host,
    innermost,
    sender::Sender,
    tls::Tls,
    transport::{Stream, Transport},
};
use crate::keepalive::{Heard, silence};

/// How long a server with calls in flight may be silent until it is asked whether it is
/// there: what gRPC's servers allow by default. More often, and they close the
/// connection (gRFC A8).
const KEEPALIVE: Duration = Duration::from_secs(5 * 60);
/// How long it may take to answer that, or to acknowledge what was sent
/// (TCP_USER_TIMEOUT, gRFC A18).
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How much of an answer may be on its way: what is sent in the time of a long way
/// there and back is not to wait for this client.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 5 << 20;
/// How large the head of an answer may be.
const HEADERS: u32 = 16 << 10;
/// How many calls a server is expected to allow before it has said how many, the
/// least that it should (RFC 9113, section 6.5.2).
const STREAMS: usize = 100;

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
pub(super) async fn begin(stream: Stream) -> Result<Sender, String> {
    let (tell, answered) = oneshot::channel();
    let heard = Arc::new(Heard::new());
    let (requests, mut connection) = Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADERS)
        .initial_max_send_streams(STREAMS)
        .handshake(Transport::new(stream, tell, heard.clone()))
        .await
        .map_err(|error| innermost(&error))?;
    let pings = connection.ping_pong().expect("nobody took it before");
    let (sender, upkeep) = Sender::new(requests, STREAMS);
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        let is_awaited = || upkeep.is_awaited();
        let silence = silence(pings, heard, KEEPALIVE, KEEPALIVE_TIMEOUT, is_awaited);
        let mut end = poll_fn(|cx| {
            let end = Pin::new(&mut connection).poll(cx);
            upkeep.look(connection.max_concurrent_send_streams());
            end
        });
        // Why it ended is told to the calls that were on it.
        tokio::select! {
            biased;
            _ = &mut end => {}
            // Reading fails from now on, which tells the calls. What cannot be written must
            // not keep it from that.
            () = silence => drop(timeout(Duration::ZERO, end).await),
        }
    }));
    match answered.await {
        Ok(Ok(())) => {
            task.detach();
            Ok(sender)
        }
        Ok(Err(problem)) => Err(problem),
        Err(_gone) => Err("the connection ended before HTTP/2 began".to_owned()),
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

    /// A frame of PING (RFC 9113, section 6.7).
    fn ping(flags: u8) -> Vec<u8> {
        [[0, 0, 8, 6, flags, 0, 0, 0, 0].as_slice(), b"speaking"].concat()
    }

    /// Whether a connection is given up within the hour, whose server begins and then
    /// says no more than this.
    async fn ends(in_flight: bool, speaks: bool) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let tcp = TcpStream::connect(address).await.expect("it listens");
        let (mut server, _) = listener.accept().await.expect("a client");
        // Else what is small waits for real time to pass.
        server.set_nodelay(true).expect("it is open");
        server.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("SETTINGS");
        let sender = begin(Either::Left(tcp)).await.expect("HTTP/2");
        let call = Request::post("http://localhost/").body(()).expect("a request");
        let place = sender.place().await.expect("it is open");
        let answer = sender.send(call, Bytes::new(), &place).expect("it is open");
        let _call = in_flight.then_some((answer, place));
        pause();
        for _ in 0..60 {
            sleep(Duration::from_secs(60)).await;
            if speaks {
                // Time that is paused runs ahead of what is read.
                resume();
                server.write_all(&ping(0)).await.expect("it is open");
                let mut heard = Vec::new();
                while !heard.ends_with(&ping(ACK)) {
                    let read = server.read_buf(&mut heard).await.expect("it is open");
                    assert_ne!(read, 0, "it is open");
                }
                pause();
            }
        }
        resume();
        sender.is_closed()
    }

    #[tokio::test]
    async fn a_connection_is_given_up_where_calls_are_on_it_and_nothing_is_heard() {
        assert!(ends(true, false).await);
        assert!(!ends(true, true).await, "it speaks");
        assert!(!ends(false, false).await, "nobody waits for it");
    }
}
