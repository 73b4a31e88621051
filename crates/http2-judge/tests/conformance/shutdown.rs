//! Graceful shutdown (RFC 9113, section 6.8).

use std::{future::pending, time::Duration};

use http::Response;
use http2::Ended;
use http2_judge::{
    body::Outgoing,
    frame::{ACK, PING, frame, post},
    hpack::encode::{indexed, insert},
};
use tokio::time::sleep;

use crate::support::{Client, NO_ERROR, Start, own_rule, rfc9113};

const MOST: u32 = (1 << 31) - 1;

/// Returns a client that does not answer the PING of the shutdown, after the first GOAWAY.
async fn shutting_down(server: Start) -> Client {
    let mut client = server.open().await;
    client.state.ignores_pings = true;
    client.post(1).await;
    client.settle().await;
    client.server.shut_down.cancel();
    client
        .until("GOAWAY and PING", |state| !state.goaways.is_empty() && !state.own_pings.is_empty())
        .await;
    assert_eq!(client.state.goaways, [(MOST, NO_ERROR)]);
    client
}

/// Answers the PING of the shutdown, and expects the second GOAWAY.
async fn answer(client: &mut Client, last: u32) {
    let payload = client.state.own_pings[0].clone();
    client.raw(&frame(PING, ACK, 0, &payload)).await;
    client.until("the second GOAWAY", |state| state.goaways.len() > 1).await;
    assert_eq!(client.state.goaways[1], (last, NO_ERROR));
}

/// Expects that the connection ends without an error.
async fn closed(client: &mut Client) {
    client.until("the end", |state| state.is_closed).await;
    client.close().await;
    let ended = (&mut client.server.ended).await.expect("no panic");
    assert!(matches!(ended, Ended::Closed), "{ended:?}");
}

#[test]
fn a_shutdown_announces_itself_and_names_the_last_stream_after_a_round_trip() {
    rfc9113("6.8", async |server| {
        let mut client = shutting_down(server).await;
        client.settle().await;
        assert_eq!(client.state.goaways.len(), 1, "no second GOAWAY before the answer");
        answer(&mut client, 1).await;
        client.end(1, b"data").await;
        client.ok(1).await;
        closed(&mut client).await;
    });
}

#[test]
fn a_stream_that_was_on_its_way_is_served() {
    rfc9113("6.8", async |server| {
        let mut client = shutting_down(server).await;
        client.post(3).await;
        answer(&mut client, 3).await;
        for id in [1, 3] {
            client.end(id, b"data").await;
            client.ok(id).await;
        }
        closed(&mut client).await;
    });
}

#[test]
fn a_stream_after_the_last_one_is_ignored() {
    rfc9113("6.8", async |server| {
        let mut client = shutting_down(server).await;
        answer(&mut client, 1).await;
        client.get(3).await;
        client.settle().await;
        assert_eq!(client.calls.all().len(), 1);
        client.end(1, b"data").await;
        client.ok(1).await;
        closed(&mut client).await;
    });
}

#[test]
fn the_header_block_of_an_ignored_stream_changes_the_dynamic_table() {
    rfc9113("6.8", async |server| {
        let mut client = shutting_down(server).await;
        answer(&mut client, 1).await;
        client.request(3, &[post("/", &[]), insert("x-name", "value")].concat()).await;
        client.request(1, &indexed(62)).await;
        client.ok(1).await;
        assert_eq!(client.last_call().trailers.expect("trailers")["x-name"], "value");
    });
}

#[test]
fn an_idle_connection_shuts_down() {
    rfc9113("6.8", async |server| {
        let mut client = server.open().await;
        client.server.shut_down.cancel();
        client.until("the end", |state| state.is_closed).await;
        assert!(client.state.goaways.iter().all(|(_, code)| *code == NO_ERROR));
        assert_eq!(client.state.goaways.last().expect("GOAWAY").0, 0);
    });
}

#[test]
fn a_response_in_flight_is_complete_after_a_shutdown() {
    rfc9113("6.8", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|_| async {
            sleep(Duration::from_secs(1)).await;
            Response::new(Outgoing::complete(vec![7; 100_000], None))
        });
        client.get(1).await;
        client.settle().await;
        client.server.shut_down.cancel();
        client.until("data", |state| state.streams[&1].data.len() == 65_535).await;
        client.ping().await;
        for id in [0, 1] {
            client.window_update(id, 100_000).await;
        }
        assert_eq!(client.response(1).await.data.len(), 100_000);
        closed(&mut client).await;
    });
}

#[test]
fn a_shutdown_before_the_settings_of_the_client_ends_the_connection() {
    own_rule("a shutdown does not wait for a connection without calls", async |server| {
        let mut client = server.connect();
        client.raw(http2_judge::frame::PREFACE).await;
        client.settle().await;
        client.server.shut_down.cancel();
        client.settings(&[]).await;
        client.until("the end", |state| state.is_closed).await;
    });
}

#[test]
fn a_stop_ends_the_connection_at_once() {
    own_rule("a stop does not wait for calls", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|_| pending());
        client.get(1).await;
        client.settle().await;
        client.server.stop.cancel();
        let ended = (&mut client.server.ended).await.expect("no panic");
        assert!(matches!(ended, Ended::Cut), "{ended:?}");
        client.settle().await;
        assert!(client.last_call().is_over, "the call is cancelled");
    });
}

#[test]
fn a_connection_that_the_client_closes_ends_its_calls() {
    own_rule("no call outlives its connection", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|_| pending());
        client.get(1).await;
        client.settle().await;
        client.close().await;
        client.until("the end", |state| state.is_closed).await;
        client.settle().await;
        assert!(client.last_call().is_over);
    });
}
