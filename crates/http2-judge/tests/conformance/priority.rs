//! PRIORITY, which is deprecated and must still be parsed (RFC 9113, sections 5.3.2 and 6.3).

use std::future::pending;

use http2_judge::frame::{END_HEADERS, END_STREAM, HEADERS, PRIORITY, PRIORITY_FLAG, frame, post};

use crate::support::{FRAME_SIZE_ERROR, PROTOCOL_ERROR, rfc9113};

const PAYLOAD: [u8; 5] = [0x80, 0, 0, 11, 255];

#[test]
fn priority_is_accepted_in_every_state_of_a_stream() {
    rfc9113("5.1", async |server| {
        let mut client = server.open().await;
        // Idle.
        client.raw(&frame(PRIORITY, 0, 1, &PAYLOAD)).await;
        client.raw(&frame(PRIORITY, 0, 101, &PAYLOAD)).await;
        // Open, closed.
        client.post(1).await;
        client.send(PRIORITY, 0, 1, &PAYLOAD).await;
        client.end(1, b"").await;
        client.ok(1).await;
        client.send(PRIORITY, 0, 1, &PAYLOAD).await;
        // Half-closed (remote).
        client.calls.respond(|_| pending());
        client.get(3).await;
        client.send(PRIORITY, 0, 3, &PAYLOAD).await;
        client.ping().await;
        assert_eq!(client.state.goaways, []);
        assert_eq!(client.state.streams[&3].reset, None);
    });
}

#[test]
fn priority_does_not_open_or_close_streams() {
    rfc9113("5.1.1", async |server| {
        let mut client = server.open().await;
        client.raw(&frame(PRIORITY, 0, 101, &PAYLOAD)).await;
        client.get(1).await;
        client.ok(1).await;
    });
}

#[test]
fn priority_on_stream_0_is_a_connection_error() {
    rfc9113("6.3", async |server| {
        let mut client = server.open().await;
        client.send(PRIORITY, 0, 0, &PAYLOAD).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn priority_without_5_bytes_is_an_error() {
    rfc9113("6.3", async |server| {
        for length in [0, 4, 6] {
            let mut client = server.clone().open().await;
            client.post(1).await;
            client.send(PRIORITY, 0, 1, &vec![0; length]).await;
            client.either_error(1, &[FRAME_SIZE_ERROR]).await;
        }
    });
}

#[test]
fn headers_with_a_priority_are_accepted() {
    rfc9113("6.2", async |server| {
        let mut client = server.open().await;
        let flags = END_HEADERS | END_STREAM | PRIORITY_FLAG;
        client.send(HEADERS, flags, 1, &[&PAYLOAD[..], &post("/", &[])].concat()).await;
        client.ok(1).await;
        client.alive().await;
    });
}

#[test]
fn headers_without_room_for_their_priority_are_a_connection_error() {
    rfc9113("4.2", async |server| {
        for length in 0..5 {
            let mut client = server.clone().open().await;
            let flags = END_HEADERS | END_STREAM | PRIORITY_FLAG;
            client.send(HEADERS, flags, 1, &PAYLOAD[..length]).await;
            client.connection_error(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]).await;
        }
    });
}

#[test]
fn a_stream_that_depends_on_itself_is_no_connection_error() {
    rfc9113("5.3.2", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.send(PRIORITY, 0, 1, &[0, 0, 0, 1, 5]).await;
        client.alive().await;
    });
}

#[test]
fn headers_that_depend_on_their_own_stream_are_no_connection_error() {
    rfc9113("5.3.2", async |server| {
        let mut client = server.open().await;
        let flags = END_HEADERS | END_STREAM | PRIORITY_FLAG;
        let payload = [&[0, 0, 0, 1, 5][..], &post("/", &[])].concat();
        client.send(HEADERS, flags, 1, &payload).await;
        client.alive().await;
    });
}
