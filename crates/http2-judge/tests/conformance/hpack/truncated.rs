//! Header blocks that end too early, and blocks over several frames (RFC 9113, section 4.3).

use http2_judge::{
    frame::{CONTINUATION, END_HEADERS, END_STREAM, HEADERS},
    hpack::encode::{huffman, indexed, insert, insert_at, never, size_update, string},
};

use crate::support::{fields, rfc7541, rfc9113};

/// Returns the representations of a request. There is one of every kind.
fn parts() -> Vec<Vec<u8>> {
    vec![
        size_update(1337),
        indexed(3),
        vec![0x86],
        [vec![0x04], huffman("/path")].concat(),
        insert_at(1, "test"),
        insert("x-insert", "value"),
        [vec![0x40], huffman("x-huffman"), huffman("value")].concat(),
        never("x-never", "value"),
        indexed(62),
        [vec![0x0f, 0x2f], string("value")].concat(),
        [vec![0, 1, b'x'], string("v".repeat(200))].concat(),
    ]
}

#[test]
fn a_block_that_ends_within_a_representation_cannot_be_decoded() {
    rfc7541("5", async |server| {
        let parts = parts();
        let block = parts.concat();
        let mut ends = vec![0];
        ends.extend((1..=parts.len()).map(|count| parts[..count].concat().len()));
        for length in (0..block.len()).filter(|length| !ends.contains(length)) {
            let mut client = server.clone().open().await;
            client.request(1, &block[..length]).await;
            client.compression_error().await;
            assert_eq!(client.calls.all().len(), 0, "length {length}");
        }
    });
}

#[test]
fn a_block_that_ends_between_pseudo_fields_is_malformed() {
    rfc9113("8.3.1", async |server| {
        for count in 0..3 {
            let mut client = server.clone().open().await;
            client.malformed(&parts()[..count].concat()).await;
        }
    });
}

#[test]
fn a_block_may_be_split_within_any_representation() {
    rfc9113("4.3", async |server| {
        let block = parts().concat();
        for length in 0..=block.len() {
            let mut client = server.clone().open().await;
            client.send(HEADERS, END_STREAM, 1, &block[..length]).await;
            client.settle().await;
            client.send(CONTINUATION, END_HEADERS, 1, &block[length..]).await;
            client.ok(1).await;
            let call = client.last_call();
            assert_eq!(call.uri.path(), "/path");
            assert_eq!(call.values("x-huffman"), [b"value"; 3]);
            assert_eq!(call.headers.len(), 6, "length {length}");
        }
    });
}

#[test]
fn a_truncated_block_over_two_frames_cannot_be_decoded() {
    rfc7541("5", async |server| {
        let block = parts().concat();
        for length in [1, 10, block.len() - 10] {
            let mut client = server.clone().open().await;
            client.send(HEADERS, END_STREAM, 1, &block[..length]).await;
            client.send(CONTINUATION, END_HEADERS, 1, &block[length..block.len() - 1]).await;
            client.compression_error().await;
        }
    });
}

#[test]
fn trailers_that_cannot_be_decoded_are_a_connection_error() {
    rfc9113("4.3", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.settle().await;
        let block = fields(&[("x-name", "value")]);
        client.request(1, &block[..block.len() - 1]).await;
        client.compression_error().await;
        assert!(!client.calls.all()[0].is_whole);
    });
}

#[test]
fn a_block_of_a_reset_stream_that_cannot_be_decoded_is_a_connection_error() {
    rfc9113("4.3", async |server| {
        let mut client = server.open().await;
        let bad = http2_judge::frame::post("/", &[("connection", "close")]);
        client.headers(1, &bad).await;
        client.until("a reset", |state| state.streams[&1].reset.is_some()).await;
        client.request(1, &[0xff]).await;
        client.compression_error().await;
    });
}
