//! PUSH_PROMISE, which no client may send (RFC 9113, section 8.4).

use http2_judge::frame::{END_HEADERS, PUSH_PROMISE, post};

use crate::support::{PROTOCOL_ERROR, rfc9113};

#[test]
fn a_push_promise_on_an_open_stream_is_a_connection_error() {
    rfc9113("8.4", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        let payload = [&[0, 0, 0, 2][..], &post("/", &[])].concat();
        client.send(PUSH_PROMISE, END_HEADERS, 1, &payload).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_push_promise_on_an_idle_stream_is_a_connection_error() {
    rfc9113("8.4", async |server| {
        let mut client = server.open().await;
        let payload = [&[0, 0, 0, 2][..], &post("/", &[])].concat();
        client.send(PUSH_PROMISE, END_HEADERS, 1, &payload).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_push_promise_on_stream_0_is_a_connection_error() {
    rfc9113("6.6", async |server| {
        let mut client = server.open().await;
        client.send(PUSH_PROMISE, END_HEADERS, 0, &[0, 0, 0, 2, 0x82]).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}
