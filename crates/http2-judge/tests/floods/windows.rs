//! Windows that leave no room for the responses.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use http2_judge::{
    frame::{END_STREAM, RST_STREAM, WINDOW_UPDATE, frame},
    server::settings,
};
use tokio::time::sleep;

use crate::{
    client::Client,
    frames::request,
    run::{SMALL, each},
    work::{LARGE, STREAM},
};

/// SETTINGS_INITIAL_WINDOW_SIZE.
const WINDOW: u16 = 4;

#[test]
fn streamed_responses_wait_for_the_window() {
    for window in [0, 1] {
        each(SMALL, |layer| async move {
            let mut client = Client::with(layer, settings(), &[(WINDOW, window)]).await;
            let streams = settings().streams;
            for _ in 0..streams {
                let id = client.id();
                client.send(&request(id, STREAM, END_STREAM)).await;
            }
            sleep(Duration::from_secs(60)).await;
            let frames = client.work.frames.load(Relaxed);
            assert!(frames <= 2 * u64::from(streams), "{frames} frames were taken");
            assert_eq!(client.seen.borrow().data_frames, u64::from(window * streams));
        });
    }
}

#[test]
fn complete_responses_without_a_window_are_bounded_by_the_stream_limit() {
    // The responses share their bytes, so this measures all other memory.
    each(SMALL, |layer| async move {
        let mut client = Client::with(layer, settings(), &[(WINDOW, 0)]).await;
        client.flood(5_000, |number| request(number * 2 + 1, LARGE, END_STREAM)).await;
        let calls = client.work.calls.load(Relaxed);
        assert!(calls <= u64::from(settings().streams), "{calls} handlers ran");
    });
}

#[test]
fn a_response_arrives_through_a_window_of_1() {
    each(SMALL, |layer| async move {
        let mut client = Client::with(layer, settings(), &[(WINDOW, 1)]).await;
        let id = client.id();
        client.send(&request(id, LARGE, END_STREAM)).await;
        for received in 1..=5_000 {
            let is_there = |seen: &crate::seen::Seen| seen.data.get(&id) == Some(&received);
            assert!(client.until(is_there).await, "byte {received}");
            client.send(&frame(WINDOW_UPDATE, 0, id, &[0, 0, 0, 1])).await;
        }
        assert!(client.until(|seen| seen.data_frames == 5_001).await);
        client.send(&frame(WINDOW_UPDATE, 0, id, &0x00ff_ffff_u32.to_be_bytes())).await;
        client.send(&frame(WINDOW_UPDATE, 0, 0, &0x00ff_ffff_u32.to_be_bytes())).await;
        assert!(client.is_ok(id).await, "the rest comes when the window is large");
    });
}

#[test]
fn streams_without_a_window_that_are_reset_leave_nothing_behind() {
    each(SMALL, |layer| async move {
        let mut client = Client::with(layer, settings(), &[(WINDOW, 0)]).await;
        for _ in 0..100 {
            let ids: Vec<u32> = (0..40).map(|_| client.id()).collect();
            for id in &ids {
                client.send(&request(*id, STREAM, END_STREAM)).await;
            }
            sleep(Duration::from_millis(100)).await;
            for id in &ids {
                client.send(&frame(RST_STREAM, 0, *id, &[0, 0, 0, 8])).await;
            }
            // An empty response needs no window.
            assert!(client.call().await, "{:?}", client.seen.borrow().goaway);
        }
        let frames = client.work.frames.load(Relaxed);
        assert!(frames <= 2 * 4_000, "{frames} frames were taken");
    });
}
