//! Identifiers of streams: rising, reused, and the last one.

use std::sync::atomic::Ordering::Relaxed;

use http2_judge::frame::END_STREAM;

use crate::{
    client::Client,
    frames::request,
    run::{SMALL, each},
    work::ECHO,
};

const LAST: u32 = 0x7fff_ffff;

#[test]
fn the_last_identifier_works_and_none_comes_after_it() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        for power in 1..=31 {
            let id = (1_u32 << power) - 1;
            client.send(&request(id, ECHO, END_STREAM)).await;
            assert!(client.is_ok(id).await, "stream {id}");
        }
        for id in [LAST - 2, LAST] {
            let outcome = client.flood(1, |_| request(id, ECHO, END_STREAM)).await;
            assert!(outcome.is_error(), "stream {id}: {outcome:?}");
        }
        assert_eq!(client.work.calls.load(Relaxed), 31);
    });
}

#[test]
fn an_identifier_that_is_used_again_ends_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        for _ in 0..10 {
            assert!(client.call().await);
        }
        let outcome = client.flood(20_000, |_| request(1, ECHO, END_STREAM)).await;
        assert!(outcome.is_error(), "{outcome:?}");
        assert_eq!(client.work.calls.load(Relaxed), 10);
    });
}

#[test]
fn calls_that_have_ended_leave_nothing_behind() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        for number in 0..20_000 {
            assert!(client.call().await, "call {number}: {:?}", client.seen.borrow().goaway);
        }
    });
}
