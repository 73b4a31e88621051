//! CONTINUATION (RFC 9113, sections 4.3 and 6.10).

use http2_judge::frame::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, post,
};

use crate::support::{ENHANCE_YOUR_CALM, PROTOCOL_ERROR, rfc9113};

#[test]
fn a_header_block_may_be_split_anywhere() {
    rfc9113("4.3", async |server| {
        let mut client = server.open().await;
        let block = post("/split", &[("x-name", "value")]);
        for at in 0..=block.len() {
            let id = client.fresh();
            client.send(HEADERS, END_STREAM, id, &block[..at]).await;
            client.send(CONTINUATION, END_HEADERS, id, &block[at..]).await;
            client.ok(id).await;
            let call = client.last_call();
            assert_eq!((call.uri.path(), call.values("x-name")), ("/split", vec![&b"value"[..]]));
        }
    });
}

#[test]
fn a_header_block_may_come_in_several_continuations() {
    rfc9113("6.10", async |server| {
        let mut client = server.open().await;
        let block = post("/", &[("x-name", "value")]);
        client.send(HEADERS, END_STREAM, 1, &block[..5]).await;
        client.send(CONTINUATION, 0, 1, &block[5..5]).await;
        client.send(CONTINUATION, 0, 1, &block[5..6]).await;
        client.send(CONTINUATION, END_HEADERS, 1, &block[6..]).await;
        client.ok(1).await;
        assert_eq!(client.last_call().values("x-name"), [b"value"]);
        client.alive().await;
    });
}

#[test]
fn the_body_may_follow_a_continuation() {
    rfc9113("6.2", async |server| {
        let mut client = server.open().await;
        let block = post("/", &[]);
        client.send(HEADERS, 0, 1, &block[..5]).await;
        client.send(CONTINUATION, END_HEADERS, 1, &block[5..]).await;
        client.end(1, b"data").await;
        client.ok(1).await;
        assert_eq!(client.last_call().body, b"data");
    });
}

#[test]
fn trailers_may_be_continued() {
    rfc9113("8.1", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.data(1, b"data").await;
        let block = crate::support::fields(&[("x-name", "value")]);
        client.send(HEADERS, END_STREAM, 1, &block[..5]).await;
        client.send(CONTINUATION, END_HEADERS, 1, &block[5..]).await;
        client.ok(1).await;
        assert_eq!(client.last_call().trailers.expect("trailers")["x-name"], "value");
    });
}

#[test]
fn unknown_flags_of_a_continuation_are_ignored() {
    rfc9113("4.1", async |server| {
        let mut client = server.open().await;
        let block = post("/", &[]);
        client.send(HEADERS, END_STREAM, 1, &block[..5]).await;
        client.send(CONTINUATION, 0xff, 1, &block[5..]).await;
        client.ok(1).await;
    });
}

#[test]
fn any_other_frame_within_a_header_block_is_a_connection_error() {
    rfc9113("6.10", async |server| {
        let frames: [(u8, u8, u32, &[u8]); 12] = [
            (DATA, 0, 1, b"data"),
            (DATA, 0, 3, b"data"),
            (HEADERS, END_HEADERS, 1, &[0x82]),
            (HEADERS, END_HEADERS, 5, &[0x82]),
            (PRIORITY, 0, 1, &[0; 5]),
            (PRIORITY, 0, 7, &[0; 5]),
            (RST_STREAM, 0, 1, &[0; 4]),
            (SETTINGS, 0, 0, &[]),
            (PING, 0, 0, &[0; 8]),
            (GOAWAY, 0, 0, &[0; 8]),
            (WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
            (0x42, 0, 0, &[]),
        ];
        for (kind, flags, id, payload) in frames {
            let mut client = server.clone().open().await;
            let block = post("/", &[]);
            client.send(HEADERS, END_STREAM, 1, &block[..5]).await;
            client.send(kind, flags, id, payload).await;
            client.send(CONTINUATION, END_HEADERS, 1, &block[5..]).await;
            client.connection_error(&[PROTOCOL_ERROR]).await;
            assert_eq!(client.calls.all().len(), 0, "type {kind}");
        }
    });
}

#[test]
fn any_other_frame_between_continuations_is_a_connection_error() {
    rfc9113("6.10", async |server| {
        let mut client = server.open().await;
        let block = post("/", &[]);
        client.send(HEADERS, END_STREAM, 1, &block[..5]).await;
        client.send(CONTINUATION, 0, 1, &block[5..6]).await;
        client.send(PING, 0, 0, &[0; 8]).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_continuation_on_another_stream_is_a_connection_error() {
    rfc9113("6.10", async |server| {
        for id in [0, 3] {
            let mut client = server.clone().open().await;
            let block = post("/", &[]);
            client.send(HEADERS, END_STREAM, 1, &block[..5]).await;
            client.send(CONTINUATION, END_HEADERS, id, &block[5..]).await;
            client.connection_error(&[PROTOCOL_ERROR]).await;
        }
    });
}

#[test]
fn a_continuation_without_headers_is_a_connection_error() {
    rfc9113("6.10", async |server| {
        for id in [0, 1] {
            let mut client = server.clone().open().await;
            client.send(CONTINUATION, END_HEADERS, id, &post("/", &[])).await;
            client.connection_error(&[PROTOCOL_ERROR]).await;
        }
    });
}

#[test]
fn a_continuation_after_end_headers_is_a_connection_error() {
    rfc9113("6.10", async |server| {
        let mut client = server.clone().open().await;
        client.post(1).await;
        client.send(CONTINUATION, END_HEADERS, 1, &[0x82]).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;

        let mut client = server.open().await;
        client.send(HEADERS, 0, 1, &post("/", &[])).await;
        client.send(CONTINUATION, END_HEADERS, 1, &[]).await;
        client.send(CONTINUATION, END_HEADERS, 1, &[]).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_continuation_after_data_is_a_connection_error() {
    rfc9113("6.10", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.data(1, b"data").await;
        client.send(CONTINUATION, END_HEADERS, 1, &[0x82]).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn many_small_continuations_are_served_or_refused_as_a_flood() {
    rfc9113("10.5", async |server| {
        let mut client = server.open().await;
        let block = post("/", &[]);
        client.send(HEADERS, END_STREAM, 1, &[]).await;
        for byte in &block[..block.len() - 1] {
            client.send(CONTINUATION, 0, 1, &[*byte]).await;
        }
        client.send(CONTINUATION, END_HEADERS, 1, &block[block.len() - 1..]).await;
        client.settle().await;
        if client.state.goaways.is_empty() {
            client.ok(1).await;
        } else {
            client.connection_error(&[ENHANCE_YOUR_CALM]).await;
        }
    });
}

#[test]
fn endless_empty_continuations_are_refused() {
    rfc9113("10.5", async |server| {
        let mut client = server.open().await;
        client.send(HEADERS, END_STREAM, 1, &post("/", &[])).await;
        for _ in 0..10_000 {
            client.send(CONTINUATION, 0, 1, &[]).await;
        }
        client.connection_error(&[ENHANCE_YOUR_CALM, PROTOCOL_ERROR]).await;
    });
}
