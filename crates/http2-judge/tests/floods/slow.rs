//! Peers that stop in the middle. A server that waits must not work.

use std::time::Duration;

use http2::Settings;
use http2_judge::{
    frame::{END_STREAM, HEADERS, PREFACE, frame, post},
    server::settings,
};
use tokio::time::sleep;

use crate::{
    client::Client,
    outcome::Outcome,
    run::{SMALL, each},
    work::ECHO,
};

const DAY_PART: Duration = Duration::from_secs(4 * 3600);

/// Virtual time stands still while a task runs, so with a busy server this test would not end.
#[test]
fn half_a_preface_costs_no_work() {
    each(SMALL, |layer| async move {
        let mut client = Client::connect(layer, settings(), true);
        client.send(&PREFACE[..12]).await;
        sleep(DAY_PART).await;
    });
}

#[test]
fn half_a_frame_costs_no_work() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let head = frame(HEADERS, END_STREAM, 1, &post(ECHO, &[]));
        client.send(&head[..head.len() - 5]).await;
        sleep(DAY_PART).await;
        assert_eq!(client.outcome().await, Outcome::Lives);
    });
}

#[test]
fn keepalive_ends_a_connection_with_half_a_frame() {
    each(SMALL, |layer| async move {
        let settings = Settings { keepalive_interval: Duration::from_secs(10), ..settings() };
        let mut client = Client::with(layer, settings, &[]).await;
        client.send(&frame(HEADERS, END_STREAM, 1, &post(ECHO, &[]))[..20]).await;
        sleep(Duration::from_secs(60)).await;
        assert!(client.server.ended.is_finished());
    });
}
