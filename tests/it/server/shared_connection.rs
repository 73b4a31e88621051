//! A connection that many callers share, such as the connection of a proxy: no caller can end the
//! calls of the others.

use std::collections::BTreeSet;

use crate::support::{
    http2::{
        ACK, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING, PREFACE,
        Peer, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, grpc_headers,
    },
    in_process::InProcess,
    metrics::{METRICS, scrape},
    process::{ServerProcess, event, stderr, stdout},
    python,
    wire::{message, text},
};

const CALL: &str = "/SampleService/Call";

/// Returns the frames of a call.
fn call(stream: u32, body: &[u8]) -> Vec<u8> {
    let mut frames = frame(HEADERS, END_HEADERS, stream, &grpc_headers(CALL));
    frames.extend(frame(DATA, END_STREAM, stream, body));
    frames
}

/// Returns how many connections the server has ended because of what their peers did.
fn abused(address: &str) -> f64 {
    let series = scrape(address);
    let abused = series.iter().filter(|(name, _)| name.starts_with("chassis_connections_abused"));
    abused.map(|(_, value)| value).sum()
}

#[test]
fn late_and_oversized_calls_of_grpcio_do_not_end_other_calls_of_the_channel() {
    let Some(mut script) = python::script("shared_connection.py") else { return };
    let settings =
        [METRICS, ("SAMPLE__LIMITS__MESSAGE", "1KiB"), ("SAMPLE__SERVER__MAX_WORKERS", "100")];
    let server = ServerProcess::with(&settings, &["--work", "100ms"]);
    let process = server.process.id().to_string();
    let output = script.args([&server.address, &process, "3000"]).output().expect("it runs");
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(abused(&server.metrics_address), 0.0);

    // All of that was one connection.
    server.process.signal(rustix::process::Signal::TERM);
    let (_, lines) = server.process.wait();
    let calls = lines.iter().map(|line| event(line)).filter(|event| event["message"] == "call");
    let peers: BTreeSet<_> = calls.map(|call| call["peer"].to_string()).collect();
    assert_eq!(peers.len(), 1, "{peers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_comes_after_early_responses_does_not_end_the_connection() {
    // More than h2 allows in the whole life of a connection.
    const CALLS: u32 = 3000;
    let server = InProcess::start(&[("service.work", "1ms")]).await;
    let mut peer = Peer::handshake(&server.address).await;
    peer.0.set_nodelay(true).expect("it is open");
    for number in 0..CALLS {
        let stream = 2 * number + 1;
        let head = grpc_headers("/SampleService/Nonsense");
        peer.send(&frame(HEADERS, END_HEADERS, stream, &head)).await;
        let reset = peer.next(RST_STREAM).await.expect("the response has ended before the request");
        assert_eq!(reset.stream, stream);
        peer.send(&frame(DATA, 0, stream, b"late")).await;
    }
    let last = 2 * CALLS + 1;
    peer.send(&call(last, &message(false, &text("innocent")))).await;
    loop {
        let headers = peer.next(HEADERS).await.expect("the connection is open");
        if headers.stream == last && headers.flags & END_STREAM != 0 {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_do_not_cut_the_calls_of_others() {
    let server = InProcess::start(&[("service.work", "2s")]).await;
    let mut peer = Peer::handshake(&server.address).await;
    let innocent: BTreeSet<u32> = [1, 3, 5, 7, 9].into();
    for stream in &innocent {
        peer.send(&call(*stream, &message(false, &text("innocent")))).await;
    }
    // `:method` and `:scheme`, but no `:path`.
    let malformed = |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0x83, 0x86]);
    peer.send(&(0..1800).flat_map(|number| malformed(11 + 2 * number)).collect::<Vec<_>>()).await;

    let mut responded = BTreeSet::new();
    let mut goaway = None;
    while let Some(frame) = peer.frame().await {
        match frame.kind {
            GOAWAY => goaway = Some(frame.goaway()),
            HEADERS if frame.flags & END_STREAM != 0 => {
                // Short, as trailers of the service are. A refusal is longer.
                assert!(frame.payload.len() < 40, "{frame:?}");
                responded.insert(frame.stream);
            }
            _ => {}
        }
    }
    let (last, reason) = goaway.expect("GOAWAY with the reason");
    assert_eq!(reason, ENHANCE_YOUR_CALM);
    assert!(last > 9, "{last}");
    assert_eq!(responded, innocent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_tiny_data_frames_arrives() {
    const SIZE: usize = 900 * 1024;
    const LARGE_WINDOW: u32 = 1 << 24;
    let server = InProcess::start(&[]).await;
    let mut peer = Peer::connect(&server.address).await;
    peer.send(PREFACE).await;
    // The windows hold the whole response, so this peer sends no window updates.
    let window = [&[0, 4][..], &LARGE_WINDOW.to_be_bytes()].concat();
    peer.send(&frame(SETTINGS, 0, 0, &window)).await;
    peer.send(&frame(WINDOW_UPDATE, 0, 0, &LARGE_WINDOW.to_be_bytes())).await;
    peer.send(&frame(HEADERS, END_HEADERS, 1, &grpc_headers(CALL))).await;

    let request = message(false, &text(&"x".repeat(SIZE)));
    let (mut connection, mut stream) = (65_535_i64, 65_535_i64);
    let mut rest = &request[..];
    for size in (5..=50).cycle() {
        let (part, after) = rest.split_at(rest.len().min(size));
        let length = i64::try_from(part.len()).expect("it is small");
        while connection.min(stream) < length {
            let received = peer.frame().await.expect("the connection is open");
            match (received.kind, received.stream) {
                (SETTINGS, _) if received.flags & ACK == 0 => {
                    let settings = received.settings();
                    let window = settings.iter().find(|(id, _)| *id == 4);
                    stream += window.map_or(0, |(_, window)| i64::from(*window) - 65_535);
                    peer.send(&frame(SETTINGS, ACK, 0, &[])).await;
                }
                (WINDOW_UPDATE, 0) => connection += i64::from(received.increment()),
                (WINDOW_UPDATE, _) => stream += i64::from(received.increment()),
                _ => {}
            }
        }
        connection -= length;
        stream -= length;
        let flags = if after.is_empty() { END_STREAM } else { 0 };
        peer.send(&frame(DATA, flags, 1, part)).await;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }

    let mut received = 0;
    loop {
        let frame = peer.frame().await.expect("the connection is open");
        match frame.kind {
            DATA => received += frame.payload.len(),
            HEADERS if frame.flags & END_STREAM != 0 => break,
            _ => {}
        }
    }
    assert!(received > SIZE, "{received}");
    // The connection is still open.
    peer.send(&frame(PING, 0, 0, b"are you?")).await;
    assert!(peer.next(PING).await.is_some());
}
