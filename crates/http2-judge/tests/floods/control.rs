//! Frames that the server has to acknowledge: PING and SETTINGS.

use std::time::Duration;

use http2_judge::frame::{DATA, END_STREAM, PING, frame};
use tokio::time::sleep;

use crate::{
    client::Client,
    frames::{request, setting_frame},
    outcome::Outcome,
    rules::{Rule, check},
    run::{SMALL, each},
    work::LENGTH,
};

const FLOOD: u32 = 200_000;

fn ping() -> Vec<u8> {
    frame(PING, 0, 0, &[1; 8])
}

/// SETTINGS that change the initial window of streams each time.
fn change(number: u32) -> Vec<u8> {
    setting_frame(&[(4, 65_535 - number % 2)])
}

#[test]
fn the_server_stops_reading_if_its_acknowledgements_of_pings_are_not_read() {
    each(SMALL, |layer| async move {
        let mut client = Client::that_reads_nothing(layer, &[]).await;
        let outcome = client.flood(FLOOD, |_| ping()).await;
        assert_ne!(outcome, Outcome::Lives, "{layer:?} has read all of it");
    });
}

#[test]
fn the_server_stops_reading_if_its_acknowledgements_of_settings_are_not_read() {
    each(SMALL, |layer| async move {
        let mut client = Client::that_reads_nothing(layer, &[]).await;
        let outcome = client.flood(FLOOD, change).await;
        assert_ne!(outcome, Outcome::Lives, "{layer:?} has read all of it");
    });
}

#[test]
fn pings_without_progress_end_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let outcome = client.flood(FLOOD, |_| ping()).await;
        check(layer, Rule::PingsEnd, outcome.is_error(), outcome);
    });
}

#[test]
fn a_call_for_each_5_000_pings_does_not_save_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let mut outcome = Outcome::Lives;
        for _ in 0..FLOOD / 5_000 {
            outcome = client.piece(&ping().repeat(5_000)).await;
            if outcome != Outcome::Lives || !client.call().await {
                outcome = client.outcome().await;
                break;
            }
        }
        check(layer, Rule::PingsEnd, outcome.is_ended(), outcome);
    });
}

#[test]
fn settings_without_progress_end_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let outcome = client.flood(FLOOD, change).await;
        check(layer, Rule::SettingsEnd, outcome.is_error(), outcome);
    });
}

#[test]
fn a_keepalive_ping_each_10_s_for_a_day_does_not_end_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        for number in 1..8_000 {
            client.send(&ping()).await;
            assert!(client.until(|seen| seen.ping_acks == number).await, "PING {number}");
            sleep(Duration::from_secs(10)).await;
        }
        assert!(client.call().await);
    });
}

#[test]
fn a_ping_with_each_64_kib_of_data_does_not_end_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let id = client.id();
        client.send(&request(id, LENGTH, 0)).await;
        for number in 0..1024 {
            assert!(client.data(id, 16 * 1024).await, "{:?}", client.seen.borrow().goaway);
            if number % 4 == 0 {
                client.send(&ping()).await;
            }
        }
        client.send(&frame(DATA, END_STREAM, id, &[])).await;
        assert!(client.is_ok(id).await);
        assert!(client.until(|seen| seen.ping_acks == 256).await);
    });
}
