//! WINDOW_UPDATE of the client (RFC 9113, sections 6.9 and 6.9.1).

use std::future::pending;

use http2_judge::frame::{RST_STREAM, WINDOW_UPDATE, frame};

use crate::support::{
    CANCEL, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, INITIAL_WINDOW_SIZE, PROTOCOL_ERROR, rfc9113,
};

const MOST: u32 = (1 << 31) - 1;

#[test]
fn an_increment_of_0_on_a_stream_is_an_error() {
    rfc9113("6.9", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.window_update(1, 0).await;
        client.either_error(1, &[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn an_increment_of_0_on_the_connection_is_a_connection_error() {
    rfc9113("6.9", async |server| {
        let mut client = server.open().await;
        client.window_update(0, 0).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_window_update_on_an_idle_stream_is_a_connection_error() {
    rfc9113("5.1", async |server| {
        let mut client = server.open().await;
        client.window_update(1, 1).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_window_update_on_a_stream_of_the_server_is_a_connection_error() {
    rfc9113("5.1", async |server| {
        let mut client = server.open().await;
        client.window_update(2, 1).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_window_update_without_4_bytes_is_a_connection_error() {
    rfc9113("6.9", async |server| {
        for (id, length) in [(0, 0), (0, 3), (0, 5), (1, 3), (1, 5)] {
            let mut client = server.clone().open().await;
            client.post(1).await;
            client.raw(&frame(WINDOW_UPDATE, 0, id, &vec![1; length])).await;
            client.connection_error(&[FRAME_SIZE_ERROR]).await;
        }
    });
}

#[test]
fn a_window_update_is_accepted_in_every_state_of_a_stream_but_idle() {
    rfc9113("5.1", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.window_update(1, 1).await;
        client.end(1, b"").await;
        client.ok(1).await;
        client.window_update(1, 1).await;
        client.post(3).await;
        client.settle().await;
        client.send(RST_STREAM, 0, 3, &CANCEL.to_be_bytes()).await;
        client.window_update(3, 1).await;
        client.alive().await;
        client.calls.respond(|_| pending());
        let id = client.fresh();
        client.get(id).await;
        client.window_update(id, 1).await;
        client.ping().await;
        assert_eq!(client.state.goaways, []);
        assert_eq!(client.state.streams[&id].reset, None);
    });
}

#[test]
fn a_window_of_2_31_minus_1_is_accepted() {
    rfc9113("6.9.1", async |server| {
        let mut client = server.open().await;
        client.window_update(0, MOST - 65_535).await;
        client.post(1).await;
        client.window_update(1, MOST - 65_535).await;
        client.end(1, b"").await;
        client.ok(1).await;
        client.alive().await;
    });
}

#[test]
fn a_larger_window_of_a_stream_is_an_error() {
    rfc9113("6.9.1", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.window_update(1, MOST - 65_535).await;
        client.window_update(1, 1).await;
        client.either_error(1, &[FLOW_CONTROL_ERROR]).await;
    });
}

#[test]
fn a_larger_window_of_the_connection_is_a_connection_error() {
    rfc9113("6.9.1", async |server| {
        let mut client = server.open().await;
        client.window_update(0, MOST - 65_535).await;
        client.window_update(0, 1).await;
        client.connection_error(&[FLOW_CONTROL_ERROR]).await;
    });
}

#[test]
fn a_larger_window_by_initial_window_size_is_a_connection_error() {
    rfc9113("6.9.2", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.window_update(1, MOST - 65_535).await;
        client.settings(&[(INITIAL_WINDOW_SIZE, 65_536)]).await;
        client.connection_error(&[FLOW_CONTROL_ERROR]).await;
    });
}
