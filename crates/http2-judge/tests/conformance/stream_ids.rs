//! Stream identifiers and the stream limit (RFC 9113, sections 5.1.1 and 5.1.2).

use http::Response;
use http2_judge::{
    body::Outgoing,
    frame::{DATA, END_STREAM, HEADERS, RST_STREAM, post},
    hpack::encode::{indexed, insert},
};
use std::future::pending;

use crate::support::{
    CANCEL, Client, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED, Start, fields, rfc9113,
};

#[test]
fn headers_on_stream_0_are_a_connection_error() {
    rfc9113("6.2", async |server| {
        let mut client = server.open().await;
        client.request(0, &post("/", &[])).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn data_on_stream_0_is_a_connection_error() {
    rfc9113("6.1", async |server| {
        let mut client = server.open().await;
        client.send(DATA, END_STREAM, 0, b"data").await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_request_on_an_even_stream_is_a_connection_error() {
    rfc9113("5.1.1", async |server| {
        for id in [2, 4, 0x7fff_fffe] {
            let mut client = server.clone().open().await;
            client.get(id).await;
            client.connection_error(&[PROTOCOL_ERROR]).await;
        }
    });
}

#[test]
fn a_request_on_a_lower_stream_is_a_connection_error() {
    rfc9113("5.1.1", async |server| {
        let mut client = server.open().await;
        client.get(5).await;
        client.ok(5).await;
        client.get(3).await;
        // A stream that was skipped is closed, so a server may send either code.
        client.connection_error(&[PROTOCOL_ERROR, STREAM_CLOSED]).await;
        assert_eq!(client.calls.all().len(), 1);
    });
}

#[test]
fn a_stream_that_was_skipped_is_closed() {
    rfc9113("5.1.1", async |server| {
        let mut client = server.open().await;
        client.get(5).await;
        client.ok(5).await;
        client.end(3, b"data").await;
        client.either_error(3, &[PROTOCOL_ERROR, STREAM_CLOSED]).await;
    });
}

#[test]
fn streams_may_be_skipped() {
    rfc9113("5.1.1", async |server| {
        let mut client = server.open().await;
        for id in [1, 5, 101, 65_537, 0x7fff_ffff] {
            client.get(id).await;
            client.ok(id).await;
        }
    });
}

/// Returns a client with as many streams as it may have.
async fn full(server: Start) -> Client {
    let mut client = server.with(|settings| settings.streams = 2).open().await;
    client.calls.respond(|_| pending());
    client.post(1).await;
    client.get(3).await;
    client.settle().await;
    client.calls.respond(|_| async { Response::new(Outgoing::complete("ok", None)) });
    client
}

/// Expects that a stream is refused, and resets stream 1 to make room for another.
async fn refused(client: &mut Client, id: u32) {
    client.settle().await;
    assert_eq!(client.calls.all().len(), 2, "the handler sees a request over the limit");
    client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
    client.stream_error(id, &[REFUSED_STREAM, PROTOCOL_ERROR]).await;
}

#[test]
fn a_stream_over_the_limit_is_refused() {
    rfc9113("5.1.2", async |server| {
        let mut client = full(server).await;
        client.get(5).await;
        refused(&mut client, 5).await;
    });
}

#[test]
fn the_header_block_of_a_refused_stream_changes_the_dynamic_table() {
    rfc9113("4.3", async |server| {
        let mut client = full(server).await;
        client.request(5, &[post("/", &[]), insert("x-name", "value")].concat()).await;
        refused(&mut client, 5).await;
        let call = client.accepted(&[post("/", &[]), indexed(62)].concat()).await;
        assert_eq!(call.values("x-name"), [b"value"]);
    });
}

#[test]
fn the_body_and_the_trailers_of_a_refused_stream_are_ignored() {
    rfc9113("5.1", async |server| {
        let mut client = full(server).await;
        client.post(5).await;
        client.data(5, &[7; 10_000]).await;
        client.send(HEADERS, 5, 5, &fields(&[("x-name", "value")])).await;
        refused(&mut client, 5).await;
    });
}

#[test]
fn a_refused_stream_is_reset_once() {
    rfc9113("5.4.2", async |server| {
        let mut client = full(server).await;
        client.post(5).await;
        client.settle().await;
        client.data(5, b"data").await;
        client.data(5, b"more").await;
        client.settle().await;
        assert_eq!(client.state.streams[&5].resets, 1);
    });
}

#[test]
fn the_bytes_of_refused_streams_are_given_back_to_the_connection() {
    rfc9113("6.9", async |server| {
        let mut client = full(server).await;
        for _ in 0..150 {
            let id = client.fresh();
            client.post(id).await;
            client.upload(id, 10_000, 10_000, None).await;
        }
        assert_eq!(client.calls.all().len(), 2);
        client.ping().await;
    });
}

#[test]
fn a_stream_that_has_ended_makes_room_for_another() {
    rfc9113("5.1.2", async |server| {
        let mut client = server.with(|settings| settings.streams = 1).open().await;
        for _ in 0..20 {
            let id = client.fresh();
            client.get(id).await;
            client.ok(id).await;
        }
    });
}

#[test]
fn as_many_streams_as_announced_are_served_at_once() {
    rfc9113("5.1.2", async |server| {
        let mut client = server.with(|settings| settings.streams = 100).open().await;
        for id in (1..200).step_by(2) {
            client.post(id).await;
        }
        client.settle().await;
        assert_eq!(client.calls.all().len(), 100);
        for id in (1..200).step_by(2).rev() {
            client.end(id, b"data").await;
            client.ok(id).await;
        }
    });
}
