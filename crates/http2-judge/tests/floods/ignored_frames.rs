//! Frames that a server ignores.

use std::sync::atomic::Ordering::Relaxed;

use http2_judge::{
    frame::{
        ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, PRIORITY_FLAG, RST_STREAM,
        WINDOW_UPDATE, frame, post,
    },
    server::Layer,
};

use crate::{
    client::{Client, idle},
    frames::request,
    rules::{Rule, check},
    run::{SMALL, each},
    work::{EARLY, ECHO, LARGE, LARGE_LENGTH, LENGTH},
};

const FLOOD: u32 = 200_000;

/// The payload of PRIORITY: the root, and the weight of Chrome's highest class.
const DEPENDENCY: [u8; 5] = [0, 0, 0, 0, 255];

/// Makes a call, opens stream 3, and sends these frames again and again. Checks that the
/// connection ends.
fn ends(rule: Rule, frames: impl Fn(u32) -> Vec<u8>) {
    each(SMALL, |layer| {
        let frames = &frames;
        async move {
            let mut client = Client::start(layer).await;
            assert!(client.call().await);
            let id = client.id();
            client.send(&request(id, LENGTH, 0)).await;
            let outcome = client.flood(FLOOD, frames).await;
            check(layer, rule, outcome.is_ended(), outcome);
            assert!(client.work.calls.load(Relaxed) <= 2);
        }
    });
}

#[test]
fn priority_frames_without_requests_end_the_connection() {
    ends(Rule::PrioritiesEnd, |number| frame(PRIORITY, 0, number * 2 + 1, &DEPENDENCY));
}

#[test]
fn unknown_frames_end_the_connection() {
    ends(Rule::UnknownFramesEnd, |number| frame(200, 0, number % 4, b"unknown"));
}

#[test]
fn window_updates_of_1_for_the_connection_end_it() {
    ends(Rule::ConnectionUpdatesEnd, |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
}

#[test]
fn window_updates_of_1_for_a_stream_end_the_connection() {
    ends(Rule::StreamUpdatesEnd, |_| frame(WINDOW_UPDATE, 0, 3, &[0, 0, 0, 1]));
}

#[test]
fn window_updates_for_a_closed_stream_end_the_connection() {
    ends(Rule::ClosedUpdatesEnd, |_| frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]));
}

#[test]
fn resets_of_a_closed_stream_end_the_connection() {
    ends(Rule::ClosedResetsEnd, |_| frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]));
}

#[test]
fn trailers_of_a_closed_stream_end_the_connection() {
    ends(Rule::ClosedTrailersEnd, |_| frame(HEADERS, END_HEADERS | END_STREAM, 1, &[]));
}

#[test]
fn a_graceful_end_lets_the_call_in_flight_finish() {
    let floods: [fn() -> Vec<u8>; 4] = [
        || frame(PRIORITY, 0, 3, &DEPENDENCY),
        || frame(200, 0, 0, b"unknown"),
        || frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        || frame(WINDOW_UPDATE, 0, 3, &[0, 0, 0, 1]),
    ];
    for flood in floods {
        each(SMALL, |layer| async move {
            let mut client = Client::start(layer).await;
            assert!(client.call().await);
            let id = client.id();
            client.send(&request(id, LENGTH, 0)).await;
            for _ in 0..3_000 {
                client.send(&flood().repeat(10)).await;
                idle().await;
                if client.seen.borrow().goaway.is_some() {
                    break;
                }
            }
            client.send(&frame(DATA, END_STREAM, id, &[])).await;
            assert!(client.is_ok(id).await, "{:?}", client.seen.borrow().goaway);
        });
    }
}

#[test]
fn requests_with_priorities_do_not_end_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        for number in 0..5_000 {
            let id = client.id();
            let block = [&DEPENDENCY[..], &post(ECHO, &[])].concat();
            let flags = END_HEADERS | END_STREAM | PRIORITY_FLAG;
            let head = frame(HEADERS, flags, id, &block);
            client.send(&[head, frame(PRIORITY, 0, id, &DEPENDENCY)].concat()).await;
            assert!(client.is_ok(id).await, "call {number}: {:?}", client.seen.borrow().goaway);
        }
    });
}

#[test]
fn a_window_update_for_each_1_kib_of_responses_does_not_end_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        // Far more than a connection may send without progress.
        for call in 0..30 {
            let id = client.id();
            client.send(&request(id, LARGE, END_STREAM)).await;
            let mut acknowledged = 0;
            while acknowledged < LARGE_LENGTH as u64 {
                let received = |id| move |seen: &crate::seen::Seen| seen.data.get(&id).copied();
                let more = |seen: &crate::seen::Seen| received(id)(seen) > Some(acknowledged);
                let goes_on = client.until(more).await;
                assert!(goes_on, "call {call}: {:?}", client.seen.borrow().goaway);
                let now = received(id)(&client.seen.borrow()).expect("there is more");
                while acknowledged < now {
                    let step = (now - acknowledged).min(1024);
                    let step = u32::try_from(step).expect("small").to_be_bytes();
                    let updates = [0, id].map(|stream| frame(WINDOW_UPDATE, 0, stream, &step));
                    client.send(&updates.concat()).await;
                    acknowledged += u64::from(u32::from_be_bytes(step));
                }
            }
            assert!(client.is_ok(id).await);
        }
    });
}

#[test]
fn acknowledgements_of_keepalive_pings_that_were_not_sent_end_the_connection() {
    ends(Rule::PongsEnd, |_| frame(PING, ACK, 0, b"are you?"));
}

/// Makes a call whose response the server sends before the end of the request, so that the server
/// resets the stream. Then sends these frames on that stream again and again. Checks that the
/// connection ends.
fn ends_on_a_reset_stream(rule: Rule, frames: impl Fn(u32) -> Vec<u8>) {
    each(SMALL, |layer| {
        let frames = &frames;
        async move {
            if layer == Layer::H2 {
                // h2 ends the connection if it has forgotten the reset, which depends on time.
                return;
            }
            let mut client = Client::start(layer).await;
            let id = client.id();
            client.send(&request(id, EARLY, 0)).await;
            assert!(client.is_ok(id).await);
            let outcome = client.flood(FLOOD, |_| frames(id)).await;
            check(layer, rule, outcome.is_ended(), outcome);
        }
    });
}

#[test]
fn trailers_of_a_reset_stream_end_the_connection() {
    ends_on_a_reset_stream(Rule::ResetTrailersEnd, |id| {
        frame(HEADERS, END_HEADERS | END_STREAM, id, &[])
    });
}
