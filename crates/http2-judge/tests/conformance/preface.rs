//! The connection preface (RFC 9113, section 3.4).

use http2_judge::{
    frame::{ACK, HEADERS, PING, PREFACE, SETTINGS, WINDOW_UPDATE, frame, post},
    server::Server,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::support::{Client, PROTOCOL_ERROR, Start, own_rule, rfc9113};

/// Returns what the server sends until it closes the connection.
async fn response_to(server: Start, bytes: &[u8]) -> Vec<u8> {
    let (_server, mut io): (Server, DuplexStream) = server.connect_raw();
    io.write_all(bytes).await.expect("it is open");
    io.shutdown().await.expect("it is open");
    let mut response = Vec::new();
    io.read_to_end(&mut response).await.expect("it ends");
    response
}

#[test]
fn the_first_frame_of_the_server_is_settings_without_ack() {
    rfc9113("3.4", async |server| {
        let mut client = server.connect();
        client.raw(PREFACE).await;
        client.settings(&[]).await;
        client.until("SETTINGS", |state| state.settings.is_some()).await;
    });
}

#[test]
fn the_preface_may_come_in_single_bytes() {
    rfc9113("3.4", async |server| {
        let mut client = server.connect();
        // There is no pause after the last byte, because the client would acknowledge the server's
        // SETTINGS before it sends its own.
        let (last, before) = PREFACE.split_last().expect("24 bytes");
        for byte in before {
            client.raw(&[*byte]).await;
            client.settle().await;
        }
        client.raw(&[*last]).await;
        client.settings(&[]).await;
        client.alive().await;
    });
}

#[test]
fn a_request_may_follow_the_preface_at_once() {
    rfc9113("3.4", async |server| {
        let mut client = server.connect();
        client.raw(PREFACE).await;
        client.settings(&[]).await;
        client.get(1).await;
        client.ok(1).await;
    });
}

/// Expects that the server closes the connection, with GOAWAY or without.
async fn refused(client: &mut Client) {
    client.until("the end", |state| state.is_closed).await;
    assert!(client.state.goaways.iter().all(|(_, code)| *code == PROTOCOL_ERROR));
}

#[test]
fn a_frame_before_settings_is_a_connection_error() {
    rfc9113("3.4", async |server| {
        let update = 1_u32.to_be_bytes();
        let first: [(u8, u8, u32, &[u8]); 3] = [
            (PING, 0, 0, &[0; 8]),
            (HEADERS, 5, 1, &post("/", &[])),
            (WINDOW_UPDATE, 0, 0, &update),
        ];
        for (kind, flags, id, payload) in first {
            let mut client = server.clone().connect();
            client.raw(PREFACE).await;
            client.send(kind, flags, id, payload).await;
            refused(&mut client).await;
        }
    });
}

#[test]
fn an_acknowledgement_as_the_first_frame_is_a_connection_error() {
    rfc9113("3.4", async |server| {
        let mut client = server.connect();
        client.raw(PREFACE).await;
        client.raw(&frame(SETTINGS, ACK, 0, &[])).await;
        refused(&mut client).await;
    });
}

#[test]
fn a_connection_with_another_preface_is_closed() {
    rfc9113("3.4", async |server| {
        let mut almost = *PREFACE;
        almost[23] = b'\r';
        for bytes in [&almost[..], b"INVALID CONNECTION PREFACE\r\n\r\n", &[0; 64]] {
            response_to(server.clone(), bytes).await;
        }
    });
}

#[test]
fn a_connection_that_ends_within_the_preface_is_closed() {
    rfc9113("3.4", async |server| {
        for length in 0..PREFACE.len() {
            response_to(server.clone(), &PREFACE[..length]).await;
        }
    });
}

#[test]
fn a_connection_that_ends_after_the_preface_is_closed() {
    rfc9113("3.4", async |server| {
        response_to(server, PREFACE).await;
    });
}

#[test]
fn an_http_1_client_gets_a_response_that_it_can_read() {
    own_rule("505 for HTTP/1 (RFC 9110, section 15.6.6)", async |server| {
        for request in ["GET / HTTP/1.1\r\nhost: test\r\n\r\n", "POST /x HTTP/1.0\r\n\r\n"] {
            let response = response_to(server.clone(), request.as_bytes()).await;
            assert!(response.starts_with(b"HTTP/1.1 505 "), "{response:?}");
        }
    });
}
