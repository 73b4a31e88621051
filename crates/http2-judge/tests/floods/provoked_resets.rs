//! Streams that the server has to reset (CVE-2025-8671, MadeYouReset).

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use http2_judge::frame::{
    DATA, END_HEADERS, END_STREAM, HEADERS, WINDOW_UPDATE, frame, literal, post,
};
use tokio::time::sleep;

use crate::{
    client::Client,
    frames::request,
    outcome::Outcome,
    rules::{Rule, check},
    run::{SMALL, each},
    work::{EARLY, WAIT},
};

const FLOOD: u32 = 20_000;

/// Opens 20,000 streams, each with the frames of `fault`: in few writes, and then one by one.
/// Checks that the connection ends.
fn ends(fault: fn(u32) -> Vec<u8>) {
    for one_by_one in [false, true] {
        each(SMALL, |layer| async move {
            let mut client = Client::start(layer).await;
            let faults = |number| fault(number * 2 + 1);
            let outcome = if one_by_one {
                client.flood_slowly(FLOOD, faults).await
            } else {
                client.flood(FLOOD, faults).await
            };
            check(layer, Rule::ProvokedResetsEnd, outcome.is_error(), outcome);
            assert!(client.flooded < FLOOD / 2, "it ends after {} faults", client.flooded);
            let calls = client.work.calls.load(Relaxed);
            assert!(calls < 5_000, "{calls} handlers ran");
            let bytes = client.seen.borrow().bytes;
            assert!(bytes < 512 * 1024, "{bytes} bytes were sent");
        });
    }
}

/// Returns a request with a field that HTTP/2 forbids (RFC 9113, section 8.2.2).
fn malformed(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &post(WAIT, &[("connection", "close")]))
}

#[test]
fn window_updates_of_zero_end_the_connection() {
    ends(|id| {
        let update = frame(WINDOW_UPDATE, 0, id, &[0; 4]);
        [request(id, WAIT, END_STREAM), update].concat()
    });
}

#[test]
fn window_updates_that_overflow_the_window_of_a_stream_end_the_connection() {
    ends(|id| {
        let update = frame(WINDOW_UPDATE, 0, id, &0x7fff_ffff_u32.to_be_bytes());
        [request(id, WAIT, END_STREAM), update].concat()
    });
}

#[test]
fn data_after_the_end_of_the_request_ends_the_connection() {
    ends(|id| [request(id, WAIT, END_STREAM), frame(DATA, 0, id, b"1")].concat());
}

#[test]
fn malformed_requests_end_the_connection() {
    ends(malformed);
}

#[test]
fn names_in_upper_case_end_the_connection() {
    ends(|id| {
        let block = [post(WAIT, &[]), literal("Upper-Case", "1")].concat();
        frame(HEADERS, END_HEADERS | END_STREAM, id, &block)
    });
}

#[test]
fn requests_without_a_method_end_the_connection() {
    ends(|id| {
        let fields = [(":path", WAIT), (":scheme", "http")];
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
        frame(HEADERS, END_HEADERS | END_STREAM, id, &block)
    });
}

#[test]
fn requests_over_the_stream_limit_end_the_connection() {
    ends(|id| request(id, WAIT, END_STREAM));
}

#[test]
fn bodies_that_are_not_as_long_as_announced_end_the_connection() {
    ends(|id| {
        let block = post(WAIT, &[("content-length", "1")]);
        let head = frame(HEADERS, END_HEADERS, id, &block);
        [head, frame(DATA, END_STREAM, id, b"12")].concat()
    });
}

#[test]
fn data_that_comes_after_an_early_response_does_not_end_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let mut lives = true;
        for _ in 0..3_000 {
            let id = client.id();
            client.send(&request(id, EARLY, 0)).await;
            lives = client.is_ok(id).await;
            // The time of one way through the network.
            sleep(Duration::from_millis(20)).await;
            if !lives || !client.take_window(0, 1024).await {
                break;
            }
            client.send(&frame(DATA, 0, id, &[0; 1024])).await;
            sleep(Duration::from_millis(40)).await;
        }
        let outcome = client.outcome().await;
        check(layer, Rule::LateDataLives, lives && outcome == Outcome::Lives, outcome);
    });
}

#[test]
fn malformed_requests_of_one_caller_do_not_end_the_calls_of_others() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let mut lives = true;
        for _ in 0..3_000 {
            let id = client.id();
            client.send(&malformed(id)).await;
            lives = client.call().await;
            if !lives {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        check(layer, Rule::SpreadFaultsLive, lives, client.seen.borrow().goaway);
    });
}
