//! Connections that the server ends because of what their peers do: each is a line in the log,
//! and is counted by its reason.

use tempfile::tempdir;

use crate::support::{
    certificates::Authority,
    http2::{
        self, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, Peer, SETTINGS, WINDOW_UPDATE,
        frame, grpc_headers,
    },
    metrics::{METRICS, scrape, wait_until},
    process::ServerProcess,
    wire::{message, text},
};

const MESSAGE: &str = "a connection was ended for what its peer did";

/// Asserts that the log and the metric have one connection that was ended for this reason.
fn assert_ended_for(server: &ServerProcess, reason: &str) {
    let line = server.wait_for_event(MESSAGE);
    assert_eq!((&line["level"], &line["reason"]), (&"INFO".into(), &reason.into()), "{line}");
    let series = format!("chassis_connections_abused_total{{reason=\"{reason}\"}}");
    wait_until(|| scrape(&server.metrics_address)[&series] == 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn violations_of_the_protocol_are_counted_by_their_error_code() {
    let server = ServerProcess::with(&[METRICS], &["--work", "0s"]);
    let overflow = frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes());
    // A field of an index that the tables of HPACK do not have.
    let index = frame(HEADERS, END_HEADERS, 1, &[0xff, 0x80, 0x01]);
    for (reason, code, bytes) in [
        ("protocol_error", 1, frame(PING, 0, 1, &[0; 8])),
        ("flow_control_error", 3, overflow.repeat(2)),
        ("frame_size_error", 6, frame(PING, 0, 0, &[0; 7])),
        ("compression_error", 9, index),
    ] {
        let mut peer = Peer::handshake(&server.address).await;
        peer.send(&bytes).await;
        assert_eq!(peer.next(GOAWAY).await.expect("GOAWAY").goaway().1, code, "{reason}");
        peer.rest().await;
        drop(peer);
        assert_ended_for(&server, reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_on_a_stream_that_has_ended_is_counted() {
    let server = ServerProcess::with(&[METRICS], &[]);
    let mut peer = Peer::handshake(&server.address).await;
    let head = grpc_headers("/SampleService/Call");
    peer.send(&frame(HEADERS, END_HEADERS, 1, &head)).await;
    let data = frame(DATA, END_STREAM, 1, &message(false, &text("a call")));
    peer.send(&data).await;
    while peer.next(HEADERS).await.expect("a response").flags & END_STREAM == 0 {}
    peer.send(&data).await;
    peer.rest().await;
    assert_ended_for(&server, "stream_closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_are_silent_or_speak_another_protocol_are_counted() {
    let settings = [
        METRICS,
        ("SAMPLE__LIMITS__HANDSHAKE", "100ms"),
        ("SAMPLE__KEEPALIVE__INTERVAL", "50ms"),
        ("SAMPLE__KEEPALIVE__TIMEOUT", "50ms"),
    ];
    let server = ServerProcess::with(&settings, &[]);
    let mut silent = Peer::connect(&server.address).await;
    silent.send(&http2::PREFACE[..12]).await;
    silent.rest().await;
    assert_ended_for(&server, "handshake_timeout");

    let mut silent = Peer::handshake(&server.address).await;
    silent.next(SETTINGS).await.expect("HTTP/2 begins");
    silent.rest().await;
    assert_ended_for(&server, "keepalive_timeout");

    let mut garbage = Peer::connect(&server.address).await;
    garbage.send(b"nonsense\r\n\r\n").await;
    garbage.rest().await;
    assert_ended_for(&server, "protocol_error");

    let server = ServerProcess::with(&[METRICS, ("SAMPLE__SERVER__PROTOCOLS", "grpc")], &[]);
    let mut old = Peer::connect(&server.address).await;
    old.send(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    tokio::io::AsyncWriteExt::shutdown(&mut old.0).await.expect("it is open");
    old.rest().await;
    assert_ended_for(&server, "not_http2");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_tls_handshakes_are_counted() {
    let folder = tempdir().expect("a folder");
    let authority = Authority::new("authority");
    let (certificate, key) = authority.server().issue().write(folder.path());
    let settings = [
        METRICS,
        ("SAMPLE__TLS__CERTIFICATE", certificate.as_str()),
        ("SAMPLE__TLS__KEY", key.as_str()),
    ];
    let server = ServerProcess::with(&settings, &[]);
    let mut peer = Peer::handshake(&server.address).await;
    peer.rest().await;
    assert_ended_for(&server, "tls");
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_go_away_are_not_counted() {
    let server = ServerProcess::with(&[METRICS], &[]);
    // A load balancer's probe, and a client that is killed in the middle of its call.
    drop(Peer::connect(&server.address).await);
    let mut killed = Peer::handshake(&server.address).await;
    killed.send(&frame(HEADERS, END_HEADERS, 1, &grpc_headers("/SampleService/Call"))).await;
    drop(killed);
    let failed = "chassis_connections_ended_total{how=\"failed\"}";
    wait_until(|| scrape(&server.metrics_address)[failed] == 2.0);
    let series = scrape(&server.metrics_address);
    let abused = series.iter().filter(|(name, _)| name.starts_with("chassis_connections_abused"));
    assert_eq!(abused.map(|(_, count)| count).sum::<f64>(), 0.0);
}
