//! GOAWAY of the client (RFC 9113, section 6.8).

use std::time::Duration;

use http::Response;
use http2_judge::{
    body::Outgoing,
    frame::{GOAWAY, post},
};
use tokio::time::sleep;

use crate::support::{FRAME_SIZE_ERROR, NO_ERROR, PROTOCOL_ERROR, rfc9113};

#[test]
fn calls_in_flight_finish_after_goaway_and_then_the_connection_ends() {
    rfc9113("6.8", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|_| async {
            sleep(Duration::from_secs(1)).await;
            Response::new(Outgoing::complete("late", None))
        });
        client.get(1).await;
        client.post(3).await;
        client.send(GOAWAY, 0, 0, &[0; 8]).await;
        client.settle().await;
        client.end(3, b"data").await;
        for id in [1, 3] {
            assert_eq!(client.response(id).await.data, b"late");
        }
        client.until("the end", |state| state.is_closed).await;
        assert!(client.state.goaways.iter().all(|(_, code)| *code == NO_ERROR));
    });
}

#[test]
fn an_idle_connection_ends_after_goaway() {
    rfc9113("6.8", async |server| {
        let mut client = server.open().await;
        client.send(GOAWAY, 0, 0, &[0; 8]).await;
        client.until("the end", |state| state.is_closed).await;
        assert!(client.state.goaways.iter().all(|(_, code)| *code == NO_ERROR));
    });
}

#[test]
fn goaway_may_come_twice() {
    rfc9113("6.8", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.send(GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]).await;
        client.settle().await;
        client.send(GOAWAY, 0, 0, &[0; 8]).await;
        client.end(1, b"").await;
        client.ok(1).await;
        client.until("the end", |state| state.is_closed).await;
    });
}

#[test]
fn a_ping_is_answered_after_goaway() {
    rfc9113("6.8", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.send(GOAWAY, 0, 0, &[0; 8]).await;
        client.ping().await;
        client.end(1, b"").await;
        client.ok(1).await;
    });
}

#[test]
fn goaway_with_an_unknown_code_and_with_debug_data_is_accepted() {
    rfc9113("7", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        let payload = [&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][..], &[0xfe; 100]].concat();
        client.send(GOAWAY, 0, 0, &payload).await;
        client.end(1, b"").await;
        client.ok(1).await;
    });
}

#[test]
fn goaway_with_less_than_8_bytes_is_a_connection_error() {
    rfc9113("6.8", async |server| {
        for length in [0, 4, 7] {
            let mut client = server.clone().open().await;
            client.send(GOAWAY, 0, 0, &vec![0; length]).await;
            client.connection_error(&[FRAME_SIZE_ERROR]).await;
        }
    });
}

#[test]
fn goaway_on_a_stream_is_a_connection_error() {
    rfc9113("6.8", async |server| {
        let mut client = server.open().await;
        client.headers(1, &post("/", &[])).await;
        client.send(GOAWAY, 0, 1, &[0; 8]).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn the_goaway_of_an_error_names_the_last_request_that_a_handler_has_seen() {
    rfc9113("6.8", async |server| {
        let mut client = server.open().await;
        client.get(1).await;
        client.ok(1).await;
        client.post(3).await;
        client.settle().await;
        assert_eq!(client.calls.all().len(), 2);
        client.data(0, b"no stream").await;
        client.until("GOAWAY", |state| !state.goaways.is_empty()).await;
        assert_eq!(client.state.goaways[0], (3, PROTOCOL_ERROR), "else a client would retry 3");
    });
}
