//! A peer that makes requests and reads no responses.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use http2_judge::{
    frame::{DATA, END_STREAM, WINDOW_UPDATE, frame},
    server::settings,
};
use tokio::time::sleep;

use crate::{
    client::Client,
    frames::request,
    outcome::Outcome,
    run::{SMALL, each},
    work::{EARLY, ECHO},
};

#[test]
fn requests_whose_responses_are_not_read_are_bounded() {
    each(SMALL, |layer| async move {
        let mut client = Client::that_reads_nothing(layer, &[]).await;
        let outcome =
            client.flood(100_000, |number| request(number * 2 + 1, EARLY, END_STREAM)).await;
        assert_ne!(outcome, Outcome::Lives, "{layer:?} has read all of it");
        let calls = client.work.calls.load(Relaxed);
        assert!(calls < 20_000, "{calls} handlers ran");
    });
}

#[test]
fn a_peer_that_reads_late_gets_all_responses() {
    each(SMALL, |layer| async move {
        let mut client = Client::that_reads_nothing(layer, &[]).await;
        let ids: Vec<u32> = (0..settings().streams).map(|_| client.id()).collect();
        for id in &ids {
            client.send(&request(*id, EARLY, END_STREAM)).await;
        }
        sleep(Duration::from_secs(30)).await;
        client.begin_reading();
        for id in ids {
            assert!(client.is_ok(id).await, "stream {id}: {:?}", client.seen.borrow().goaway);
        }
        assert!(client.call().await);
    });
}

#[test]
fn echoes_that_are_not_read_are_bounded() {
    each(2 * SMALL, |layer| async move {
        // The peer says that it has room for all of them.
        let mut client = Client::that_reads_nothing(layer, &[(4, 0x7fff_ffff)]).await;
        let update = frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
        client.send(&update).await;
        let outcome = client
            .flood(5_000, |number| {
                let id = number * 2 + 1;
                [request(id, ECHO, 0), frame(DATA, END_STREAM, id, &[0; 16 * 1024])].concat()
            })
            .await;
        assert_ne!(outcome, Outcome::Lives, "{layer:?} has read all of it");
    });
}
