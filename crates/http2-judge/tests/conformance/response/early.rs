//! Responses before the end of their request (RFC 9113, section 8.1).

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use http2_judge::body::Outgoing;
use tokio::time::timeout;

use crate::support::{Client, INITIAL_WINDOW_SIZE, NO_ERROR, Start, fields, own_rule, rfc9113};

/// Returns a client whose requests get a response at once.
async fn open(server: Start, settings: &[(u16, u32)]) -> Client {
    let client = server.open_with(settings).await;
    client.calls.respond(|_unread| async {
        let name = HeaderName::from_static("x-end");
        let trailers = HeaderMap::from_iter([(name, HeaderValue::from_static("yes"))]);
        Response::new(Outgoing::complete("ok", Some(trailers)))
    });
    client
}

/// Expects the whole response and then RST_STREAM with NO_ERROR.
async fn answered(client: &mut Client, id: u32) {
    assert_eq!(client.response(id).await.data, b"ok");
    client.until("RST_STREAM", |state| state.streams[&id].reset.is_some()).await;
    assert_eq!(client.state.streams[&id].reset, Some(NO_ERROR));
}

#[test]
fn an_early_response_is_followed_by_a_reset_without_error() {
    rfc9113("8.1", async |server| {
        let mut client = open(server, &[]).await;
        client.post(1).await;
        answered(&mut client, 1).await;
        client.alive().await;
    });
}

#[test]
fn the_reset_waits_until_the_response_is_complete() {
    rfc9113("8.1", async |server| {
        let mut client = open(server, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        client.post(1).await;
        client.settle().await;
        assert_eq!(client.state.streams[&1].reset, None);
        client.window_update(1, 1).await;
        client.settle().await;
        assert_eq!(client.state.streams[&1].reset, None);
        client.window_update(1, 1).await;
        answered(&mut client, 1).await;
    });
}

#[test]
fn a_response_after_the_request_is_not_followed_by_a_reset() {
    rfc9113("8.1", async |server| {
        let mut client = open(server, &[]).await;
        client.get(1).await;
        client.response(1).await;
        client.settle().await;
        assert_eq!(client.state.streams[&1].reset, None);
    });
}

#[test]
fn data_and_trailers_after_an_early_response_are_ignored() {
    rfc9113("5.1", async |server| {
        let mut client = open(server, &[]).await;
        client.post(1).await;
        answered(&mut client, 1).await;
        client.data(1, &[7; 1000]).await;
        client.request(1, &fields(&[("x-name", "value")])).await;
        client.alive().await;
        assert_eq!(client.state.streams[&1].resets, 1);
    });
}

#[test]
fn data_after_an_early_response_opens_the_window_of_the_connection_again() {
    rfc9113("5.1", async |server| {
        let mut client = open(server, &[]).await;
        for _ in 0..5 {
            let id = client.fresh();
            client.post(id).await;
            answered(&mut client, id).await;
            client.upload(id, 1_000_000, 16_384, None).await;
        }
        client.alive().await;
    });
}

#[test]
fn data_on_a_stream_that_was_reset_long_ago_is_ignored() {
    own_rule("a client may be slow to see a reset", async |server| {
        let mut client = open(server, &[]).await;
        for _ in 0..300 {
            let id = client.fresh();
            client.post(id).await;
            answered(&mut client, id).await;
        }
        client.data(1, &[7; 1000]).await;
        client.ping().await;
        assert_eq!(client.state.goaways, []);
    });
}

#[test]
fn an_early_response_makes_room_for_another_stream() {
    rfc9113("5.1.2", async |server| {
        let mut client = open(server.with(|settings| settings.streams = 1), &[]).await;
        for _ in 0..10 {
            let id = client.fresh();
            client.post(id).await;
            answered(&mut client, id).await;
        }
    });
}

/// Responds at once, and reads the request in another task for at most `end`.
fn read_until(client: &Client, end: Duration) {
    client.calls.respond(move |request| async move {
        tokio::spawn(timeout(end, request.into_body().collect()));
        Response::new(Outgoing::complete("ok", None))
    });
}

#[test]
fn a_request_that_ends_after_its_response_makes_room_for_another_stream() {
    rfc9113("5.1.2", async |server| {
        let mut client = server.with(|settings| settings.streams = 1).open().await;
        read_until(&client, Duration::from_secs(60));
        for _ in 0..3 {
            let id = client.fresh();
            client.post(id).await;
            client.ok(id).await;
            client.data(id, b"part").await;
            client.settle().await;
            assert_eq!(client.state.streams[&id].reset, None, "the request is read");
            client.end(id, b"rest").await;
            client.ping().await;
            assert!(client.last_call().is_whole);
        }
    });
}

#[test]
fn a_body_that_is_dropped_after_its_response_makes_room_for_another_stream() {
    rfc9113("8.1", async |server| {
        let mut client = server.with(|settings| settings.streams = 1).open().await;
        read_until(&client, Duration::from_secs(1));
        for _ in 0..3 {
            let id = client.fresh();
            client.post(id).await;
            client.ok(id).await;
            client.until("RST_STREAM", |state| state.streams[&id].reset.is_some()).await;
            assert_eq!(client.state.streams[&id].reset, Some(NO_ERROR));
        }
    });
}

#[test]
fn a_body_after_the_headers_of_a_response_to_head_is_not_sent_while_the_request_is_read() {
    rfc9113("8.1", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|request| async {
            tokio::spawn(request.into_body().collect());
            Response::new(Outgoing::complete("body", None))
        });
        let head = [(":method", "HEAD"), (":scheme", "http"), (":path", "/"), (":authority", "t")];
        client.headers(1, &fields(&head)).await;
        let response = client.response(1).await;
        assert_eq!((response.data, response.trailers), (Vec::new(), None));
        client.settle().await;
        client.end(1, b"rest").await;
        client.ping().await;
        assert_eq!(client.state.goaways, []);
        assert!(client.last_call().is_whole, "the request arrives");
    });
}
