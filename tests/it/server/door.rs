//! Which connections are accepted: the limits for all peers and for one, and the idle connections
//! that give way to new ones.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

use crate::support::{
    http2::{
        self, ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, Peer, RST_STREAM,
        SETTINGS, frame, grpc_headers,
    },
    in_process::InProcess,
    metrics::{METRICS, scrape},
    process::ServerProcess,
    wire::{message, text},
};

const ANY_PEER: (&str, &str) = ("limits.connections_per_peer", "0");

/// Sends a call.
async fn call(peer: &mut Peer, stream: u32) {
    let head = grpc_headers("/SampleService/Call");
    peer.send(&frame(HEADERS, END_HEADERS, stream, &head)).await;
    peer.send(&frame(DATA, END_STREAM, stream, &message(false, &text("a call")))).await;
}

/// Connects, and waits until HTTP/2 has begun. Returns `None` if the server closes the connection.
async fn open(address: &str) -> Option<Peer> {
    let mut peer = Peer::connect(address).await;
    // The connection may be closed before this is written.
    let hello = [http2::PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let _ = tokio::io::AsyncWriteExt::write_all(&mut peer.0, &hello).await;
    peer.next(SETTINGS).await.map(|_| peer)
}

/// Connects from an address of the loopback network.
async fn open_from(source: &str, address: &str) -> Option<Peer> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(source.parse().expect("an address"), 0)).expect("a free port");
    let tcp = socket.connect(address.parse().expect("an address")).await.expect("a server");
    let mut peer = Peer(tcp);
    let _ = tokio::io::AsyncWriteExt::write_all(&mut peer.0, http2::PREFACE).await;
    peer.next(SETTINGS).await.map(|_| peer)
}

/// Asserts that the peer is asked to leave, acknowledges it, and reads to the end.
async fn assert_leaves(mut peer: Peer) {
    let (last, reason) = peer.next(GOAWAY).await.expect("a first GOAWAY").goaway();
    assert_eq!((last, reason), (0x7fff_ffff, 0), "calls on their way are still accepted");
    let ping = peer.next(PING).await.expect("a PING after the first GOAWAY");
    peer.send(&frame(PING, ACK, 0, &ping.payload)).await;
    peer.next(GOAWAY).await.expect("a second GOAWAY, with the last stream");
    assert!(peer.next(GOAWAY).await.is_none());
}

#[tokio::test]
async fn the_oldest_idle_connection_gives_way_at_the_limit() {
    let server = InProcess::start(&[("limits.connections", "3"), ANY_PEER]).await;
    let mut first = open(&server.address).await.expect("there is room");
    let second = open(&server.address).await.expect("there is room");
    let third = open(&server.address).await.expect("there is room");
    // The first has a call, and is idle again.
    call(&mut first, 1).await;
    while first.next(HEADERS).await.expect("a response").flags & END_STREAM == 0 {}

    let fourth = open(&server.address).await.expect("the second gives way");
    assert_leaves(second).await;
    let _fifth = open(&server.address).await.expect("the third gives way");
    assert_leaves(third).await;
    // The other connections get no GOAWAY.
    for peer in [&mut first, &mut { fourth }] {
        call(peer, 3).await;
        assert!(peer.next(HEADERS).await.is_some());
    }
}

#[tokio::test]
async fn a_client_that_does_not_leave_is_closed() {
    let server = InProcess::start(&[("limits.connections", "1"), ANY_PEER]).await;
    let mut first = open(&server.address).await.expect("there is room");
    let _second = open(&server.address).await.expect("the first gives way");
    first.next(GOAWAY).await.expect("a first GOAWAY");
    // The client does not acknowledge the PING.
    first.rest().await;
}

#[tokio::test]
async fn a_call_that_crosses_the_goaway_is_served() {
    let settings = [("limits.connections", "1"), ANY_PEER, ("service.work", "2s")];
    let server = InProcess::start(&settings).await;
    let mut first = open(&server.address).await.expect("there is room");
    let _second = open(&server.address).await.expect("the first gives way");
    let ping = first.next(PING).await.expect("a PING after the first GOAWAY");
    call(&mut first, 1).await;
    first.send(&frame(PING, ACK, 0, &ping.payload)).await;
    while first.next(HEADERS).await.expect("a response").flags & END_STREAM == 0 {}
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_while_all_have_calls() {
    let settings = [("limits.connections", "2"), ANY_PEER, ("service.work", "1h")];
    let server = InProcess::start(&settings).await;
    let mut first = open(&server.address).await.expect("there is room");
    let mut second = open(&server.address).await.expect("there is room");
    for peer in [&mut first, &mut second] {
        call(peer, 1).await;
        // The acknowledgement shows that the call has arrived.
        peer.send(&frame(PING, 0, 0, b"arrived?")).await;
        peer.next(PING).await.expect("an acknowledgement");
    }
    assert!(open(&server.address).await.is_none());
    first.send(&frame(RST_STREAM, 0, 1, &8u32.to_be_bytes())).await;
    // There is room as soon as the server has noticed the end of the call.
    while open(&server.address).await.is_none() {}
    assert!(first.next(GOAWAY).await.is_some());
    drop(second);
}

#[tokio::test]
async fn a_connection_that_does_not_begin_http2_gives_way_after_a_while() {
    let settings = [("limits.connections", "1"), ANY_PEER, ("limits.handshake", "1h")];
    let server = InProcess::start(&settings).await;
    let mut silent = Peer::connect(&server.address).await;
    while open(&server.address).await.is_none() {}
    assert_eq!(silent.rest().await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_peer_is_refused_at_its_limit_and_others_are_not() {
    let settings = [METRICS, ("SAMPLE__LIMITS__CONNECTIONS_PER_PEER", "2")];
    let server = ServerProcess::with(&settings, &[]);
    let first = open(&server.address).await.expect("there is room");
    let _second = open(&server.address).await.expect("there is room");
    for _ in 0..3 {
        assert!(open(&server.address).await.is_none());
    }
    let line = server
        .wait_for_event("a connection was refused: its peer has limits.connections_per_peer open");
    assert_eq!((&line["level"], &line["limit"]), (&"INFO".into(), &2.into()));
    let refused = "chassis_connections_refused_total{reason=\"peer_limit\"}";
    assert_eq!(scrape(&server.metrics_address)[refused], 3.0);

    assert!(open_from("127.0.0.2", &server.address).await.is_some());
    drop(first);
    while open(&server.address).await.is_none() {}
}

#[tokio::test]
async fn the_default_for_one_peer_is_a_quarter_of_the_limit() {
    let server = InProcess::start(&[("limits.connections", "8")]).await;
    let _first = open(&server.address).await.expect("there is room");
    let _second = open(&server.address).await.expect("there is room");
    assert!(open(&server.address).await.is_none());
    assert!(open_from("127.0.0.2", &server.address).await.is_some());
}
