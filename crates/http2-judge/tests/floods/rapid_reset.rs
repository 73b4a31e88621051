//! Streams that the peer opens and resets (CVE-2023-44487).

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use http2_judge::{
    frame::{END_STREAM, RST_STREAM, frame},
    server::settings,
};
use tokio::time::sleep;

use crate::{
    client::{Client, idle},
    frames::request,
    outcome::Outcome,
    rules::{Rule, check},
    run::{SMALL, each},
    work::WAIT,
};

const FLOOD: u32 = 20_000;
const CANCEL: [u8; 4] = [0, 0, 0, 8];

fn cancel(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL)
}

fn opened_and_reset(number: u32) -> Vec<u8> {
    let id = number * 2 + 1;
    [request(id, WAIT, END_STREAM), cancel(id)].concat()
}

fn assert_concurrency(client: &Client) {
    let most = client.work.most_running.load(Relaxed);
    assert!(most <= u64::from(settings().streams), "{most} handlers ran at once");
}

#[test]
fn streams_reset_in_the_same_write_end_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let outcome = client.flood(FLOOD, opened_and_reset).await;
        check(layer, Rule::RapidResetEnds, outcome.is_error(), outcome);
        assert!(client.flooded < FLOOD / 2, "it ends after {} streams", client.flooded);
        assert_concurrency(&client);
        let calls = client.work.calls.load(Relaxed);
        assert!(calls < 2_000, "{calls} handlers ran");
        let bytes = client.seen.borrow().bytes;
        assert!(bytes < 256 * 1024, "{bytes} bytes were sent");
    });
}

#[test]
fn streams_reset_while_the_server_is_idle_end_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        // Each number is one frame: the handler runs before its stream is reset.
        let outcome = client
            .flood_slowly(2 * FLOOD, |number| {
                let id = number / 2 * 2 + 1;
                if number % 2 == 0 { request(id, WAIT, END_STREAM) } else { cancel(id) }
            })
            .await;
        check(layer, Rule::SlowRapidResetEnds, outcome.is_ended(), outcome);
        assert_concurrency(&client);
    });
}

#[test]
fn a_call_for_each_1_000_resets_does_not_save_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let mut outcome = Outcome::Lives;
        for _ in 0..FLOOD / 1_000 {
            let pairs = 20;
            for _ in 0..1_000 / pairs {
                let ids: Vec<u32> = (0..pairs).map(|_| client.id()).collect();
                let opened = ids.iter().flat_map(|id| request(*id, WAIT, END_STREAM));
                client.piece(&opened.collect::<Vec<u8>>()).await;
                idle().await;
                let reset = ids.iter().flat_map(|id| cancel(*id));
                outcome = client.piece(&reset.collect::<Vec<u8>>()).await;
                idle().await;
            }
            if outcome != Outcome::Lives || !client.call().await {
                outcome = client.outcome().await;
                break;
            }
        }
        check(layer, Rule::SlowRapidResetEnds, outcome.is_ended(), outcome);
    });
}

/// Resets this many calls at once in each second of a minute, and makes calls in between. Returns
/// whether these succeed.
async fn stalls(client: &mut Client, calls: u32, is_server_stalled: bool) -> bool {
    for _ in 0..60 {
        let ids: Vec<u32> = (0..calls).map(|_| client.id()).collect();
        let opened: Vec<u8> = ids.iter().flat_map(|id| request(*id, WAIT, END_STREAM)).collect();
        let reset: Vec<u8> = ids.iter().flat_map(|id| cancel(*id)).collect();
        if is_server_stalled {
            client.send(&[opened, reset].concat()).await;
        } else {
            client.send(&opened).await;
            sleep(Duration::from_millis(50)).await;
            client.send(&reset).await;
        }
        for _ in 0..10 {
            if !client.call().await {
                return false;
            }
            sleep(Duration::from_millis(90)).await;
        }
    }
    true
}

#[test]
fn calls_in_flight_reset_at_once_do_not_end_the_connection() {
    for calls in [40, 200] {
        each(SMALL, |layer| async move {
            let mut client = Client::start(layer).await;
            assert!(stalls(&mut client, calls, false).await, "{calls}: {:?}", client.seen.borrow());
            assert_concurrency(&client);
        });
    }
}

#[test]
fn calls_that_come_with_their_resets_after_a_stall_do_not_end_the_connection() {
    for calls in [40, 200] {
        each(SMALL, |layer| async move {
            let mut client = Client::start(layer).await;
            let lives = stalls(&mut client, calls, true).await;
            check(layer, Rule::StallOfTheServerLives, lives, calls);
            assert_concurrency(&client);
        });
    }
}

#[test]
fn a_client_that_cancels_one_call_in_three_keeps_its_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        for number in 0..10_000 {
            if number % 3 == 0 {
                let id = client.id();
                client.send(&request(id, WAIT, END_STREAM)).await;
                idle().await;
                client.send(&cancel(id)).await;
            } else {
                assert!(client.call().await, "call {number}: {:?}", client.seen.borrow().goaway);
            }
            sleep(Duration::from_millis(12)).await;
        }
    });
}

#[test]
fn calls_that_succeed_make_up_for_resets_without_a_pause() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        for number in 0..2_500 {
            let id = client.id();
            client.send(&request(id, WAIT, END_STREAM)).await;
            idle().await;
            client.send(&cancel(id)).await;
            assert!(client.call().await, "call {number}: {:?}", client.seen.borrow().goaway);
        }
    });
}
