//! Responses that their clients do not read.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    http2::{END_HEADERS, END_STREAM, Frame, HEADERS, PREFACE, Peer, SETTINGS, frame, headers},
    metrics::{METRICS, scrape, wait_until},
    process::ServerProcess,
    wire::{message, text},
};

const STALLED: &str = "SAMPLE__LIMITS__STALLED";

/// Connects a peer whose streams begin with a window of this many bytes.
async fn peer(server: &ServerProcess, window: u8) -> Peer {
    let mut peer = Peer::connect(&server.address).await;
    peer.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, window])].concat()).await;
    peer
}

/// Makes a call, and does not read its response.
async fn call(peer: &mut Peer, more: &[(&str, &str)]) {
    let usual = [("content-type", "application/grpc"), ("te", "trailers")];
    let block = headers("/SampleService/Call", &[&usual, more].concat());
    let body = message(false, &text(&"x".repeat(1024)));
    peer.send(&frame(HEADERS, END_HEADERS, 1, &block)).await;
    peer.send(&frame(0, END_STREAM, 1, &body)).await;
}

/// Returns the trailers: the second HEADERS of the stream.
async fn trailers(peer: &mut Peer) -> Frame {
    peer.next(HEADERS).await.expect("the head of the response");
    let trailers = peer.next(HEADERS).await.expect("trailers");
    assert_eq!(trailers.flags & END_STREAM, END_STREAM);
    trailers
}

fn has(frame: &Frame, text: &str) -> bool {
    frame.payload.windows(text.len()).any(|part| part == text.as_bytes())
}

/// Asserts the code in the line of the call, and the count of the reason.
fn assert_recorded(server: &ServerProcess, line: &Value, code: &str, reason: &str) {
    assert_eq!(line["code"], code, "{line}");
    let series = format!("chassis_responses_unread_total{{reason=\"{reason}\"}}");
    wait_until(|| scrape(&server.metrics_address)[&series] == 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_not_read_ends_at_the_deadline() {
    for window in [0, 7] {
        let server = ServerProcess::with(&[METRICS], &[]);
        let mut peer = peer(&server, window).await;
        call(&mut peer, &[("grpc-timeout", "300m")]).await;
        assert!(has(&trailers(&mut peer).await, "deadline"), "window {window}");
        assert_recorded(&server, &server.wait_for_event("call"), "DEADLINE_EXCEEDED", "deadline");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_makes_no_progress_ends() {
    let server = ServerProcess::with(&[METRICS, (STALLED, "200ms")], &[]);
    let mut peer = peer(&server, 0).await;
    call(&mut peer, &[]).await;
    assert!(has(&trailers(&mut peer).await, "nothing"));
    assert_recorded(&server, &server.wait_for_event("call"), "RESOURCE_EXHAUSTED", "stalled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_read_slowly_does_not_stall() {
    let server = ServerProcess::with(&[METRICS, (STALLED, "2s")], &[]);
    let mut peer = peer(&server, 0).await;
    call(&mut peer, &[]).await;
    // The response takes longer than the limit in all, but each byte is progress.
    for _ in 0..5 {
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        peer.send(&frame(8, 0, 1, &[0, 0, 0, 1])).await;
    }
    peer.send(&frame(8, 0, 1, &[0, 0, 64, 0])).await;
    trailers(&mut peer).await;
    assert_eq!(server.wait_for_event("call")["code"], "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_not_read_counts_as_cut_by_the_drain() {
    let server = ServerProcess::with(&[("SAMPLE__SHUTDOWN__DRAIN", "200ms")], &[]);
    let mut peer = peer(&server, 0).await;
    call(&mut peer, &[]).await;
    peer.next(HEADERS).await.expect("the head of the response");
    server.process.signal(Signal::TERM);
    assert_eq!(server.wait_for_event("call")["code"], "UNAVAILABLE");
    let (status, lines) = server.process.wait();
    let report = lines.iter().find(|line| line.contains("\"cut\":1"));
    assert!(report.is_some(), "{lines:?}");
    assert_eq!(status.code(), Some(1));
}
