//! Frames of any type (RFC 9113, sections 4.1, 5.5 and 6).

use http2_judge::frame::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PRIORITY, RST_STREAM, WINDOW_UPDATE, frame,
    post,
};

use crate::support::{FRAME_SIZE_ERROR, PROTOCOL_ERROR, rfc9113};

#[test]
fn frames_of_unknown_types_are_ignored() {
    rfc9113("5.5", async |server| {
        let mut client = server.open().await;
        for kind in [0x0a, 0x0b, 0x10, 0x42, 0xff] {
            for (flags, id) in [(0, 0), (0xff, 0), (0, 1), (0xff, 2), (0, 0x7fff_ffff)] {
                client.raw(&frame(kind, flags, id, &[0xff; 20])).await;
                client.raw(&frame(kind, flags, id, &[])).await;
            }
        }
        client.alive().await;
    });
}

#[test]
fn a_frame_of_an_unknown_type_within_a_request_is_ignored() {
    rfc9113("4.1", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.send(0x42, END_STREAM, 1, b"no data").await;
        client.end(1, b"data").await;
        client.ok(1).await;
        assert_eq!(client.last_call().body, b"data");
    });
}

#[test]
fn a_frame_of_an_unknown_type_that_is_too_large_is_an_error() {
    rfc9113("4.2", async |server| {
        let mut client = server.open().await;
        client.raw(&frame(0x42, 0, 0, &[0; 16_385])).await;
        client.connection_error(&[FRAME_SIZE_ERROR]).await;
    });
}

#[test]
fn unknown_flags_are_ignored() {
    rfc9113("4.1", async |server| {
        let mut client = server.open().await;
        client.send(HEADERS, END_HEADERS | 0xd2, 1, &post("/", &[])).await;
        client.send(WINDOW_UPDATE, 0xff, 1, &1_u32.to_be_bytes()).await;
        client.send(PRIORITY, 0xff, 1, &[0, 0, 0, 7, 1]).await;
        client.send(DATA, END_STREAM | 0xf6, 1, b"data").await;
        client.ok(1).await;
        assert_eq!(client.last_call().body, b"data");
        client.post(3).await;
        client.send(RST_STREAM, 0xff, 3, &8_u32.to_be_bytes()).await;
        client.alive().await;
    });
}

#[test]
fn unknown_flags_of_goaway_are_ignored() {
    rfc9113("4.1", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.send(GOAWAY, 0xff, 0, &[0; 8]).await;
        client.end(1, b"").await;
        client.ok(1).await;
    });
}

#[test]
fn the_reserved_bit_of_a_stream_identifier_is_ignored() {
    rfc9113("4.1", async |server| {
        let mut client = server.open().await;
        client.headers(0x8000_0001, &post("/", &[])).await;
        client.data(0x8000_0001, b"da").await;
        client.end(1, b"ta").await;
        client.ok(1).await;
        assert_eq!(client.last_call().body, b"data");
        client.send(6, 0, 0x8000_0000, &[0; 8]).await;
        client.alive().await;
    });
}

#[test]
fn the_reserved_bit_of_an_increment_is_ignored() {
    rfc9113("6.9", async |server| {
        let mut client = server.open().await;
        client.raw(&frame(WINDOW_UPDATE, 0, 0, &0x8000_0001_u32.to_be_bytes())).await;
        client.alive().await;
        client.raw(&frame(WINDOW_UPDATE, 0, 0, &0x8000_0000_u32.to_be_bytes())).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn frames_may_come_in_single_bytes() {
    rfc9113("4.1", async |server| {
        let mut client = server.open().await;
        client.state.streams.insert(1, Default::default());
        let headers = frame(HEADERS, END_HEADERS, 1, &post("/", &[]));
        for byte in [headers, frame(DATA, END_STREAM, 1, b"data")].concat() {
            client.raw(&[byte]).await;
            client.settle().await;
        }
        client.ok(1).await;
        assert_eq!(client.last_call().body, b"data");
    });
}

#[test]
fn a_connection_that_ends_within_a_frame_is_closed() {
    rfc9113("4.1", async |server| {
        let bytes = frame(HEADERS, END_HEADERS, 1, &post("/", &[]));
        for length in [1, 8, 9, 10, bytes.len() - 1] {
            let mut client = server.clone().open().await;
            client.raw(&bytes[..length]).await;
            client.close().await;
            client.until("the end", |state| state.is_closed).await;
            assert_eq!(client.calls.all().len(), 0);
        }
    });
}
