//! Padding (RFC 9113, sections 6.1 and 6.2).

use http2_judge::frame::{DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, PRIORITY_FLAG, post};

use crate::support::{Client, FRAME_SIZE_ERROR, PROTOCOL_ERROR, Start, fields, rfc9113};

/// Returns a payload with this much padding.
fn padded(padding: u8, content: &[u8]) -> Vec<u8> {
    [&[padding][..], content, &vec![0; usize::from(padding)]].concat()
}

async fn posted(server: &Start) -> Client {
    let mut client = server.clone().open().await;
    client.post(1).await;
    client
}

#[test]
fn padding_of_data_is_no_part_of_the_body() {
    rfc9113("6.1", async |server| {
        for padding in [0, 1, 255] {
            let mut client = posted(&server).await;
            client.send(DATA, PADDED, 1, &padded(padding, b"da")).await;
            client.send(DATA, PADDED | END_STREAM, 1, &padded(padding, b"ta")).await;
            client.ok(1).await;
            assert_eq!(client.last_call().body, b"data");
        }
    });
}

#[test]
fn data_may_have_nothing_but_padding() {
    rfc9113("6.1", async |server| {
        let mut client = posted(&server).await;
        client.send(DATA, PADDED, 1, &padded(0, b"")).await;
        client.send(DATA, PADDED, 1, &padded(200, b"")).await;
        client.send(DATA, PADDED | END_STREAM, 1, &padded(1, b"")).await;
        client.ok(1).await;
        assert_eq!(client.last_call().body, b"");
    });
}

#[test]
fn padding_as_long_as_the_payload_of_data_is_a_connection_error() {
    rfc9113("6.1", async |server| {
        let payloads: [&[u8]; 4] = [&[1], &[5, 0, 0, 0, 0], &[6, 0, 0, 0, 0], &[255, 1]];
        for payload in payloads {
            let mut client = posted(&server).await;
            client.send(DATA, PADDED | END_STREAM, 1, payload).await;
            client.connection_error(&[PROTOCOL_ERROR]).await;
        }
    });
}

#[test]
fn padded_data_without_the_length_of_its_padding_is_a_connection_error() {
    rfc9113("4.2", async |server| {
        let mut client = posted(&server).await;
        client.send(DATA, PADDED | END_STREAM, 1, &[]).await;
        client.connection_error(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]).await;
    });
}

#[test]
fn padding_of_headers_is_no_part_of_the_header_block() {
    rfc9113("6.2", async |server| {
        let mut client = server.open().await;
        for padding in [0, 1, 255] {
            let id = client.fresh();
            let payload = padded(padding, &post("/", &[]));
            client.send(HEADERS, PADDED | END_HEADERS | END_STREAM, id, &payload).await;
            client.ok(id).await;
        }
        client.alive().await;
    });
}

#[test]
fn headers_may_have_padding_and_a_priority() {
    rfc9113("6.2", async |server| {
        let mut client = server.open().await;
        let content = [&[0, 0, 0, 11, 3][..], &post("/", &[])].concat();
        let flags = PADDED | PRIORITY_FLAG | END_HEADERS | END_STREAM;
        client.send(HEADERS, flags, 1, &padded(9, &content)).await;
        client.ok(1).await;
    });
}

#[test]
fn headers_with_padding_may_be_continued() {
    rfc9113("6.10", async |server| {
        let mut client = server.open().await;
        let block = post("/", &[]);
        client.send(HEADERS, PADDED | END_STREAM, 1, &padded(9, &block[..5])).await;
        client.send(9, END_HEADERS, 1, &block[5..]).await;
        client.ok(1).await;
    });
}

#[test]
fn padding_longer_than_the_payload_of_headers_is_a_connection_error() {
    rfc9113("6.2", async |server| {
        let block = post("/", &[]);
        let length = u8::try_from(block.len()).expect("it is short");
        for padding in [length + 1, 255] {
            let mut client = server.clone().open().await;
            let payload = [&[padding][..], &block].concat();
            client.send(HEADERS, PADDED | END_HEADERS | END_STREAM, 1, &payload).await;
            client.connection_error(&[PROTOCOL_ERROR]).await;
        }
    });
}

#[test]
fn padding_that_reaches_into_the_priority_is_a_connection_error() {
    rfc9113("6.2", async |server| {
        let mut client = server.open().await;
        let flags = PADDED | PRIORITY_FLAG | END_HEADERS | END_STREAM;
        client.send(HEADERS, flags, 1, &[2, 0, 0, 0, 11, 3, 0]).await;
        client.connection_error(&[PROTOCOL_ERROR, FRAME_SIZE_ERROR]).await;
    });
}

#[test]
fn padded_headers_without_the_length_of_their_padding_are_a_connection_error() {
    rfc9113("4.2", async |server| {
        let mut client = server.open().await;
        client.send(HEADERS, PADDED | END_HEADERS | END_STREAM, 1, &[]).await;
        client.connection_error(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]).await;
    });
}

#[test]
fn trailers_may_have_padding() {
    rfc9113("6.2", async |server| {
        let mut client = posted(&server).await;
        let payload = padded(20, &fields(&[("x-name", "value")]));
        client.send(HEADERS, PADDED | END_HEADERS | END_STREAM, 1, &payload).await;
        client.ok(1).await;
        assert_eq!(client.last_call().trailers.expect("trailers")["x-name"], "value");
    });
}

#[test]
fn the_padding_of_16384_bytes_of_payload_is_accepted() {
    rfc9113("4.2", async |server| {
        let mut client = posted(&server).await;
        client.send(DATA, PADDED | END_STREAM, 1, &padded(255, &[7; 16_384 - 256])).await;
        client.ok(1).await;
        assert_eq!(client.last_call().body.len(), 16_384 - 256);
    });
}
