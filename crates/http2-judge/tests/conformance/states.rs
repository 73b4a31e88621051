//! The states of a stream (RFC 9113, section 5.1).

use std::future::pending;

use http::Response;
use http2_judge::{
    body::Outgoing,
    frame::{CONTINUATION, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, post},
};

use crate::support::{
    CANCEL, Client, NO_ERROR, PROTOCOL_ERROR, STREAM_CLOSED, Start, fields, rfc9113,
};

#[test]
fn data_on_an_idle_stream_is_a_connection_error() {
    rfc9113("5.1", async |server| {
        let mut client = server.open().await;
        client.end(1, b"data").await;
        client.connection_error(&[PROTOCOL_ERROR, STREAM_CLOSED]).await;
    });
}

#[test]
fn data_on_a_stream_of_the_server_is_a_connection_error() {
    rfc9113("5.1", async |server| {
        let mut client = server.open().await;
        client.end(2, b"data").await;
        client.connection_error(&[PROTOCOL_ERROR, STREAM_CLOSED]).await;
    });
}

#[test]
fn data_on_an_idle_stream_above_open_ones_is_a_connection_error() {
    rfc9113("5.1", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.end(5, b"data").await;
        client.connection_error(&[PROTOCOL_ERROR, STREAM_CLOSED]).await;
    });
}

/// Returns a client whose stream 1 is half-closed.
async fn half_closed(server: &Start) -> Client {
    let mut client = server.clone().open().await;
    client.calls.respond(|_| pending());
    client.get(1).await;
    client.settle().await;
    client.calls.respond(|_| async { Response::new(Outgoing::complete("ok", None)) });
    client
}

#[test]
fn data_on_a_half_closed_stream_is_an_error() {
    rfc9113("5.1", async |server| {
        for flags in [0, END_STREAM] {
            let mut client = half_closed(&server).await;
            client.send(0, flags, 1, b"data").await;
            client.either_error(1, &[STREAM_CLOSED]).await;
        }
    });
}

#[test]
fn headers_on_a_half_closed_stream_are_an_error() {
    rfc9113("5.1", async |server| {
        for block in [post("/", &[]), fields(&[("x-name", "value")])] {
            let mut client = half_closed(&server).await;
            client.request(1, &block).await;
            client.either_error(1, &[STREAM_CLOSED]).await;
        }
    });
}

#[test]
fn a_continuation_on_a_half_closed_stream_is_a_connection_error() {
    rfc9113("5.1", async |server| {
        let mut client = half_closed(&server).await;
        client.send(CONTINUATION, END_HEADERS, 1, &post("/", &[])).await;
        client.connection_error(&[PROTOCOL_ERROR, STREAM_CLOSED]).await;
    });
}

#[test]
fn an_error_on_a_half_closed_stream_ends_its_call() {
    rfc9113("5.4.2", async |server| {
        let mut client = half_closed(&server).await;
        client.data(1, b"data").await;
        client.settle().await;
        let call = client.last_call();
        assert!(call.is_over && !call.has_responded);
    });
}

/// Returns a client whose stream 1 is closed after a request and a response.
async fn closed(server: &Start) -> Client {
    let mut client = server.clone().open().await;
    client.get(1).await;
    client.ok(1).await;
    client
}

#[test]
fn data_on_a_closed_stream_is_an_error() {
    rfc9113("5.1", async |server| {
        let mut client = closed(&server).await;
        client.end(1, b"data").await;
        client.either_error(1, &[STREAM_CLOSED]).await;
    });
}

#[test]
fn headers_on_a_closed_stream_are_an_error() {
    rfc9113("5.1.1", async |server| {
        let mut client = closed(&server).await;
        client.get(1).await;
        client.either_error(1, &[STREAM_CLOSED, PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_continuation_on_a_closed_stream_is_a_connection_error() {
    rfc9113("5.1", async |server| {
        let mut client = closed(&server).await;
        client.send(CONTINUATION, END_HEADERS, 1, &post("/", &[])).await;
        client.connection_error(&[PROTOCOL_ERROR, STREAM_CLOSED]).await;
    });
}

#[test]
fn a_reset_of_a_closed_stream_is_ignored() {
    rfc9113("5.1", async |server| {
        let mut client = closed(&server).await;
        client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
        client.alive().await;
    });
}

/// Returns a client that has reset its stream 1.
async fn reset(server: &Start) -> Client {
    let mut client = server.clone().open().await;
    client.post(1).await;
    client.settle().await;
    client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
    client
}

#[test]
fn data_after_a_reset_by_the_client_is_an_error() {
    rfc9113("5.1", async |server| {
        let mut client = reset(&server).await;
        client.end(1, b"data").await;
        client.either_error(1, &[STREAM_CLOSED]).await;
    });
}

#[test]
fn headers_after_a_reset_by_the_client_are_an_error() {
    rfc9113("5.1", async |server| {
        let mut client = reset(&server).await;
        client.get(1).await;
        client.either_error(1, &[STREAM_CLOSED, PROTOCOL_ERROR]).await;
    });
}

#[test]
fn frames_after_a_reset_by_the_server_are_ignored() {
    rfc9113("5.1", async |server| {
        let mut client = server.open().await;
        client.headers(1, &post("/", &[("connection", "close")])).await;
        client.stream_error(1, &[PROTOCOL_ERROR]).await;
        client.data(1, &[7; 1000]).await;
        client.window_update(1, 1000).await;
        client.send(2, 0, 1, &[0, 0, 0, 7, 1]).await;
        client.request(1, &fields(&[("x-name", "value")])).await;
        client.send(RST_STREAM, 0, 1, &NO_ERROR.to_be_bytes()).await;
        client.alive().await;
    });
}

#[test]
fn a_header_block_after_a_reset_by_the_server_still_changes_the_dynamic_table() {
    rfc9113("4.3", async |server| {
        use http2_judge::hpack::encode::{indexed, insert};
        let mut client = server.open().await;
        client.headers(1, &post("/", &[("connection", "close")])).await;
        client.stream_error(1, &[PROTOCOL_ERROR]).await;
        client.send(HEADERS, END_HEADERS | END_STREAM, 1, &insert("x-name", "value")).await;
        let call = client.accepted(&[post("/", &[]), indexed(62)].concat()).await;
        assert_eq!(call.values("x-name"), [b"value"]);
    });
}

#[test]
fn a_stream_ends_with_end_stream_on_headers_or_on_data() {
    rfc9113("5.1", async |server| {
        let mut client = server.open().await;
        client.get(1).await;
        client.ok(1).await;
        client.post(3).await;
        client.end(3, b"").await;
        client.ok(3).await;
        client.post(5).await;
        client.data(5, b"data").await;
        client.settle().await;
        assert!(!client.last_call().is_whole);
        client.end(5, b"").await;
        client.ok(5).await;
        assert!(client.calls.all().iter().all(|call| call.is_whole));
    });
}
