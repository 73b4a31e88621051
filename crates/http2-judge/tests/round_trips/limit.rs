//! The limit of concurrent streams, and streams that end in unusual ways.

use std::time::Duration;

use http::Response;
use http2::Settings;
use http2_judge::{
    body::Outgoing,
    frame::{END_HEADERS, END_STREAM, HEADERS, RST_STREAM, SETTINGS, frame, post},
    peer::Peer,
    seeds::block_on,
    server::{Handler, Layer, Server, settings},
};
use tokio::time::{sleep, timeout};

/// `REFUSED_STREAM`.
const REFUSED: u32 = 7;

#[test]
fn a_stream_that_is_reset_while_its_response_waits_does_not_count_for_the_limit() {
    for layer in Layer::ALL {
        block_on(async {
            let handler =
                Handler::new(|_| async { Response::new(Outgoing::complete("early", None)) });
            let (_server, near) =
                Server::start(layer, Settings { streams: 1, ..settings() }, handler);
            let mut peer = Peer::handshake(near).await;
            // A window of one byte.
            peer.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1])).await;
            peer.send(&frame(HEADERS, END_HEADERS, 1, &post("/", &[]))).await;
            sleep(Duration::from_secs(1)).await;
            peer.send(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])).await;
            sleep(Duration::from_secs(1)).await;
            peer.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &post("/", &[]))).await;
            let first = async {
                loop {
                    let frame = peer.next().await.expect("the connection is open");
                    if frame.stream == 3 {
                        return frame;
                    }
                }
            };
            let frame = timeout(Duration::from_secs(60), first).await.expect("it does not hang");
            // h2 goes on counting a stream whose handler is done but whose response is not sent.
            let is_refused = frame.error_code() == Some(REFUSED);
            assert_eq!(is_refused, layer == Layer::H2, "{layer:?}: {frame:?}");
        });
    }
}
