//! The sizes of frames (RFC 9113, section 4.2).

use http2_judge::frame::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, literal, post,
};

use crate::support::{COMPRESSION_ERROR, FRAME_SIZE_ERROR, rfc9113};

const MOST: usize = 16_384;

/// Returns the header block of a request with this length.
fn block(length: usize) -> Vec<u8> {
    let mut block = post("/", &[]);
    for _ in 0..2 {
        let rest = length - block.len();
        let value = (rest / 2).max(rest.saturating_sub(8100)).min(8000);
        block.extend(literal("x-value", vec![b'v'; value]));
    }
    let rest = length - block.len();
    let more = (0..rest).map(|value| literal("x-more", vec![b'v'; value]));
    block.extend(more.into_iter().find(|field| field.len() == rest).expect("such a field"));
    block
}

#[test]
fn data_of_16384_bytes_is_accepted() {
    rfc9113("4.2", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.end(1, &[7; MOST]).await;
        client.ok(1).await;
        assert_eq!(client.last_call().body, [7; MOST]);
    });
}

#[test]
fn data_of_16385_bytes_is_an_error() {
    rfc9113("4.2", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.send(DATA, END_STREAM, 1, &[7; MOST + 1]).await;
        client.either_error(1, &[FRAME_SIZE_ERROR]).await;
    });
}

#[test]
fn headers_of_16384_bytes_are_accepted() {
    rfc9113("4.2", async |server| {
        let mut client = server.with(|settings| settings.header_list = 32 * 1024).open().await;
        client.accepted(&block(MOST)).await;
    });
}

#[test]
fn headers_of_16385_bytes_are_a_connection_error() {
    rfc9113("4.2", async |server| {
        let mut client = server.with(|settings| settings.header_list = 32 * 1024).open().await;
        client.request(1, &block(MOST + 1)).await;
        client.connection_error(&[FRAME_SIZE_ERROR]).await;
    });
}

#[test]
fn continuation_of_16384_bytes_is_accepted() {
    rfc9113("4.2", async |server| {
        let mut client = server.with(|settings| settings.header_list = 32 * 1024).open().await;
        let block = block(MOST + 10);
        client.send(HEADERS, END_STREAM, 1, &block[..10]).await;
        client.send(CONTINUATION, END_HEADERS, 1, &block[10..]).await;
        client.ok(1).await;
    });
}

#[test]
fn continuation_of_16385_bytes_is_a_connection_error() {
    rfc9113("4.2", async |server| {
        let mut client = server.with(|settings| settings.header_list = 32 * 1024).open().await;
        let block = block(MOST + 11);
        client.send(HEADERS, END_STREAM, 1, &block[..10]).await;
        client.send(CONTINUATION, END_HEADERS, 1, &block[10..]).await;
        client.connection_error(&[FRAME_SIZE_ERROR]).await;
    });
}

#[test]
fn settings_of_more_than_16384_bytes_are_a_connection_error() {
    rfc9113("4.2", async |server| {
        let mut client = server.open().await;
        client.send(SETTINGS, 0, 0, &[0x99; 16_386]).await;
        client.connection_error(&[FRAME_SIZE_ERROR]).await;
    });
}

#[test]
fn a_frame_is_refused_by_its_length_before_its_payload_comes() {
    rfc9113("4.2", async |server| {
        let mut client = server.open().await;
        client.raw(&[0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1]).await;
        client.connection_error(&[FRAME_SIZE_ERROR]).await;
    });
}

#[test]
fn empty_headers_continued_by_the_whole_block_are_accepted() {
    rfc9113("4.3", async |server| {
        let mut client = server.open().await;
        client.send(HEADERS, END_STREAM, 1, &[]).await;
        client.send(CONTINUATION, END_HEADERS, 1, &post("/", &[])).await;
        client.ok(1).await;
    });
}

#[test]
fn a_header_block_that_cannot_be_decoded_is_a_connection_error() {
    rfc9113("4.3", async |server| {
        let mut client = server.open().await;
        client.request(1, &[post("/", &[]), vec![0xc6]].concat()).await;
        client.connection_error(&[COMPRESSION_ERROR]).await;
    });
}
