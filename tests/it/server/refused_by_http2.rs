//! Requests that the HTTP/2 layer refuses are counted by reason, and logged.

use super::refused::{CALL, counts, refused, wait_for_line};
use crate::support::{
    http2::{END_HEADERS, END_STREAM, HEADERS, Peer, RST_STREAM, SETTINGS, frame, headers},
    metrics::METRICS,
    process::ServerProcess,
};

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_break_http2_are_counted_by_reason_and_logged_at_debug() {
    let settings = [METRICS, ("SAMPLE__LIMITS__STREAMS", "1")];
    let server = ServerProcess::with(&settings, &["--log-level", "debug"]);
    let mut peer = Peer::handshake(&server.address).await;
    assert!(peer.next(SETTINGS).await.is_some());
    let grpc = ("content-type", "application/grpc");
    for (stream, more) in [(1, ("X-Upper", "1")), (3, ("connection", "close")), (5, ("te", "gzip"))]
    {
        let block = headers(CALL, &[grpc, more]);
        peer.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)).await;
        assert_eq!(peer.next(RST_STREAM).await.expect("a reset").stream, stream, "{more:?}");
        wait_for_line(&server, "protocol").await;
    }
    let many: Vec<(&str, &str)> = vec![("x", "y"); 101];
    let block = headers(CALL, &[&[grpc][..], &many].concat());
    peer.send(&frame(HEADERS, END_HEADERS | END_STREAM, 7, &block)).await;
    assert_eq!(peer.next(HEADERS).await.expect("a response").stream, 7);
    wait_for_line(&server, "header_list").await;
    let large = headers(CALL, &[grpc, ("x-large", &"x".repeat(16_200))]);
    // The block fits into a frame, but is over the limit of the header list, which counts 32 bytes
    // more for each field.
    assert!(large.len() < 16_384);
    peer.send(&frame(HEADERS, END_HEADERS | END_STREAM, 9, &large)).await;
    assert_eq!(peer.next(HEADERS).await.expect("a response").stream, 9);
    wait_for_line(&server, "header_list").await;
    // The second stream is over the limit.
    for stream in [11, 13] {
        let block = headers(CALL, &[grpc, ("te", "trailers")]);
        peer.send(&frame(HEADERS, END_HEADERS, stream, &block)).await;
    }
    assert_eq!(peer.next(RST_STREAM).await.expect("a reset").stream, 13);
    wait_for_line(&server, "streams").await;
    let expected = counts([("header_list", 2.0), ("protocol", 3.0), ("streams", 1.0)]);
    assert_eq!(refused(&server), expected);
}
