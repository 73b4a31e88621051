//! DATA frames with little in them.

use http2_judge::frame::{DATA, END_STREAM, PADDED, frame};

use crate::{
    client::Client,
    frames::request,
    outcome::Outcome,
    rules::{Rule, check},
    run::{SMALL, each},
    work::{LENGTH, SLOW, WAIT},
};

const FLOOD: u32 = 200_000;

/// Sends DATA frames without END_STREAM to a handler that reads them. Checks that the connection
/// ends.
fn ends(rule: Rule, payload: &'static [u8], flags: u8) {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let id = client.id();
        client.send(&request(id, LENGTH, 0)).await;
        let mut outcome = Outcome::Lives;
        for _ in 0..FLOOD / 100 {
            if !client.take_window(id, payload.len() as u64 * 100).await {
                outcome = client.outcome().await;
                break;
            }
            outcome = client.piece(&frame(DATA, flags, id, payload).repeat(100)).await;
            if outcome != Outcome::Lives {
                break;
            }
        }
        check(layer, rule, outcome.is_error(), outcome);
    });
}

#[test]
fn empty_data_frames_end_the_connection() {
    ends(Rule::EmptyDataEnds, &[], 0);
}

#[test]
fn data_frames_of_padding_alone_end_the_connection() {
    ends(Rule::PaddingEnds, &[3, 0, 0, 0], PADDED);
}

#[test]
fn small_data_frames_that_no_handler_reads_are_bounded() {
    // The window allows 1,048,576 of them. A layer may join them, or end the connection.
    each(2 * SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let id = client.id();
        client.send(&request(id, WAIT, 0)).await;
        let most = 1024 * 1024;
        client.flood(most, |_| frame(DATA, 0, id, b"1")).await;
    });
}

#[test]
fn a_message_of_900_kib_in_frames_of_5_to_50_bytes_arrives() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let id = client.id();
        client.send(&request(id, LENGTH, 0)).await;
        let mut rest = 900 * 1024;
        let mut sent = 0;
        while rest > 0 {
            let length = (5 + sent * 7 % 46).min(rest);
            if !client.data(id, length).await {
                break;
            }
            rest -= length;
            sent += 1;
        }
        client.send(&frame(DATA, END_STREAM, id, &[])).await;
        let arrives = client.is_ok(id).await;
        check(layer, Rule::SmallDataLives, arrives, (rest, client.seen.borrow().goaway));
    });
}

#[test]
fn small_messages_that_a_handler_reads_late_do_not_end_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let mut lives = true;
        for _ in 0..10 {
            let id = client.id();
            client.send(&request(id, SLOW, 0)).await;
            // One second of a stream with 1,000 messages in a second.
            for _ in 0..1_000 {
                lives &= client.data(id, 20).await;
            }
            client.send(&frame(DATA, END_STREAM, id, &[])).await;
            lives &= client.is_ok(id).await;
        }
        check(layer, Rule::LateSmallDataLives, lives, client.seen.borrow().goaway);
    });
}

#[test]
fn an_empty_data_frame_at_the_end_of_each_request_does_not_end_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        for number in 0..5_000 {
            let id = client.id();
            let end = frame(DATA, END_STREAM, id, &[]);
            client.send(&[request(id, LENGTH, 0), end].concat()).await;
            assert!(client.is_ok(id).await, "call {number}: {:?}", client.seen.borrow().goaway);
        }
    });
}
