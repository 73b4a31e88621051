//! HTTP/2 peers that are slow, silent, hostile, or do not speak gRPC.

use std::iter;

use rustix::process::Signal;
use tonic::{Code, Status};

use crate::support::{
    http2::{
        self, ACK, CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING,
        Peer, RST_STREAM, SETTINGS, frame, grpc_headers,
    },
    in_process::{InProcess, client, request},
    process::{ServerProcess, event, memory},
};

const CALL: &str = "/SampleService/Call";

/// Asserts that other clients are served.
async fn assert_serves(server: &InProcess) {
    let response = client(server.connect().await).call(request("hello")).await;
    assert_eq!(response.expect("a response").into_inner().reply, "reply for hello");
}

#[tokio::test]
async fn settings_contain_the_limits() {
    let server =
        InProcess::start(&[("limits.streams", "17"), ("limits.header_list", "9KiB")]).await;
    let mut peer = Peer::handshake(&server.address).await;
    let settings = peer.next(SETTINGS).await.expect("settings come first").settings();
    // SETTINGS_MAX_CONCURRENT_STREAMS, SETTINGS_INITIAL_WINDOW_SIZE and
    // SETTINGS_MAX_HEADER_LIST_SIZE.
    assert!(settings.contains(&(3, 17)), "{settings:?}");
    // Windows begin with HTTP/2's initial size.
    assert!(settings.contains(&(4, 65_535)), "{settings:?}");
    assert!(settings.contains(&(6, 9 * 1024)), "{settings:?}");
}

#[tokio::test]
async fn a_peer_that_does_not_finish_its_preface_is_dropped() {
    let server = InProcess::start(&[("limits.handshake", "100ms")]).await;
    for sent in [&b""[..], &http2::PREFACE[..12]] {
        let mut peer = Peer::connect(&server.address).await;
        peer.send(sent).await;
        assert_eq!(peer.rest().await, b"");
    }
    assert_serves(&server).await;
}

#[tokio::test]
async fn a_silent_peer_is_closed_by_the_keepalive_timeout() {
    let server =
        InProcess::start(&[("keepalive.interval", "50ms"), ("keepalive.timeout", "50ms")]).await;
    let mut peer = Peer::handshake(&server.address).await;
    // The peer reads the PING and does not acknowledge it.
    assert!(peer.next(PING).await.is_some());
    peer.rest().await;
}

#[tokio::test]
async fn a_connection_past_its_age_gets_goaway_and_its_calls_finish() {
    let server =
        InProcess::start(&[("limits.connection_age", "50ms"), ("service.work", "1s")]).await;
    let mut peer = Peer::handshake(&server.address).await;
    let call = grpc_headers(CALL);
    peer.send(&frame(HEADERS, END_HEADERS, 1, &call)).await;
    peer.send(&frame(0, END_STREAM, 1, &[0; 5])).await;

    let first = peer.next(GOAWAY).await.expect("a first GOAWAY").goaway();
    assert_eq!(first, (0x7fff_ffff, 0), "streams on their way are still accepted");
    let ping = peer.next(PING).await.expect("a PING after the first GOAWAY");
    peer.send(&frame(PING, ACK, 0, &ping.payload)).await;
    let last = peer.next(GOAWAY).await.expect("a second GOAWAY, with the last stream").goaway();
    assert_eq!(last, (1, 0));
    let response = peer.next(HEADERS).await.expect("the call finishes");
    assert_eq!(response.stream, 1);
    peer.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rapid_resets_end_only_their_connection() {
    let server = InProcess::start(&[]).await;
    let mut peer = Peer::handshake(&server.address).await;
    let call = grpc_headers(CALL);
    let mut flood = Vec::new();
    for stream in (1..20_000).step_by(2) {
        flood.extend(frame(HEADERS, END_HEADERS, stream, &call));
        flood.extend(frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()));
    }
    // The server may stop reading before the end.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut peer.0, &flood).await;
    let (_, reason) = peer.next(GOAWAY).await.expect("GOAWAY with the reason").goaway();
    assert_eq!(reason, ENHANCE_YOUR_CALM);
    assert_serves(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_continuations_ends_the_connection() {
    let server = InProcess::start(&[]).await;
    let mut peer = Peer::handshake(&server.address).await;
    let mut flood = frame(HEADERS, 0, 1, &grpc_headers(CALL));
    for _ in 0..1000 {
        let more = http2::headers("/", &[("x-more", &"x".repeat(1000))])[2..].to_vec();
        flood.extend(frame(CONTINUATION, 0, 1, &more));
    }
    let _ = tokio::io::AsyncWriteExt::write_all(&mut peer.0, &flood).await;
    assert!(peer.next(GOAWAY).await.is_some());
    peer.rest().await;
    assert_serves(&server).await;
}

#[tokio::test]
async fn headers_over_the_limit_are_refused_and_the_connection_stays_open() {
    let server = InProcess::start(&[]).await;
    let mut client = client(server.connect().await);
    let mut large = tonic::Request::new(request("large"));
    let value = "x".repeat(17 * 1024).parse().expect("a value");
    large.metadata_mut().insert("x-large", value);
    let status = client.call(large).await.expect_err("it is too large");
    // The server responds with HTTP status 431, which is UNKNOWN in gRPC.
    assert_eq!(status.code(), Code::Unknown, "{status}");
    client.call(request("small")).await.expect("the next call succeeds");
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_pings_and_settings_from_a_peer_that_never_reads_use_little_memory() {
    let server = ServerProcess::start(&[]);
    let before = memory(server.process.id());
    for flood in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &[])] {
        let mut peer = Peer::handshake(&server.address).await;
        let flood: Vec<u8> = iter::repeat_n(flood, 100_000).flatten().collect();
        // The server stops reading when its buffers are full, so this may never end.
        let sent = tokio::io::AsyncWriteExt::write_all(&mut peer.0, &flood);
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), sent).await;
        let output = server.run(&["call", "--timeout", "60s"]);
        assert_eq!(output.status.code(), Some(0));
    }
    let grown = memory(server.process.id()).saturating_sub(before);
    // If 200,000 frames were kept as objects, they would take several times that.
    assert!(grown < 16 * 1024, "{grown} KiB more");
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_errors_of_a_peer_do_not_fill_the_log() {
    let server = ServerProcess::start(&[]);
    let mut peer = Peer::handshake(&server.address).await;
    peer.send(&frame(PING, ACK, 0, &[0; 8]).repeat(1000)).await;
    peer.send(&frame(PING, 0, 0, &[0; 8])).await;
    peer.next(PING).await.expect("all before it is read");
    drop(peer);
    server.process.signal(Signal::TERM);
    let (_, lines) = server.process.wait();
    assert!(lines.iter().all(|line| event(line)["level"] == "INFO"), "{lines:#?}");
}

#[tokio::test]
async fn http1_gets_status_505_if_only_grpc_is_served() {
    let server = InProcess::start(&[("server.protocols", "grpc")]).await;
    let mut peer = Peer::connect(&server.address).await;
    peer.send(b"POST /SampleService/Call HTTP/1.1\r\nhost: test\r\n\r\n").await;
    tokio::io::AsyncWriteExt::shutdown(&mut peer.0).await.expect("it is open");
    let response = String::from_utf8(peer.rest().await).expect("UTF-8");
    assert!(response.starts_with("HTTP/1.1 505 HTTP Version Not Supported\r\n"), "{response}");
    let (head, body) = response.split_once("\r\n\r\n").expect("a body");
    assert_eq!(body, "this server speaks gRPC over HTTP/2\n");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
}

#[tokio::test]
async fn a_wrong_content_type_is_415_and_a_wrong_method_is_405() {
    let server = InProcess::start(&[]).await;
    let tcp = tokio::net::TcpStream::connect(&server.address).await.expect("a server");
    let (mut h2, connection) = h2::client::handshake(tcp).await.expect("HTTP/2");
    tokio::spawn(connection);
    for (method, content_type, expected) in [
        ("POST", Some("text/plain"), 415),
        ("POST", Some("application/grpc-x"), 415),
        ("POST", None, 415),
        ("GET", Some("application/grpc"), 405),
        ("POST", Some("application/grpc"), 200),
        ("POST", Some("application/grpc+proto"), 200),
        ("POST", Some("application/grpc;charset=utf-8"), 200),
        ("POST", Some("Application/GRPC"), 200),
        ("POST", Some("application/grpc ;x"), 200),
        ("POST", Some("application/GRPC+Proto ; charset=utf-8"), 200),
    ] {
        let mut request = http::Request::builder().method(method).uri(format!("http://test{CALL}"));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let request = request.body(()).expect("a request");
        let (response, _) = h2.send_request(request, true).expect("it is sent");
        let status = response.await.expect("a response").status();
        assert_eq!(status, expected, "{method} {content_type:?}");
    }
}

#[tokio::test]
async fn unknown_services_and_methods_are_unimplemented_in_grpc() {
    let server = InProcess::start(&[]).await;
    for path in ["/Nonsense/Call", "/SampleService/Nonsense", "/", "/SampleService"] {
        let status = call_path(&server, path).await.expect_err("it is not there");
        assert_eq!(status.code(), Code::Unimplemented, "{path}: {status}");
    }
}

async fn call_path(server: &InProcess, path: &str) -> Result<tonic::Response<()>, Status> {
    let mut grpc = tonic::client::Grpc::new(server.connect().await);
    grpc.ready().await.expect("connected");
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    grpc.unary(tonic::Request::new(()), path.parse().expect("a path"), codec).await
}
