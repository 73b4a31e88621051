//! PING (RFC 9113, section 6.7).

use http2_judge::frame::{ACK, PING};

use crate::support::{FRAME_SIZE_ERROR, PROTOCOL_ERROR, rfc9113};

#[test]
fn a_ping_is_answered_with_its_payload() {
    rfc9113("6.7", async |server| {
        let mut client = server.open().await;
        for payload in [b"\0\0\0\0\0\0\0\0", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8"] {
            client.send(PING, 0, 0, payload).await;
            client.settle().await;
            assert_eq!(client.state.pings.pop().expect("an answer"), payload);
        }
    });
}

#[test]
fn every_ping_is_answered_in_its_order() {
    rfc9113("6.7", async |server| {
        let mut client = server.open().await;
        let payloads: Vec<_> = (0..10_u64).map(u64::to_be_bytes).collect();
        for payload in &payloads {
            client.send(PING, 0, 0, payload).await;
        }
        client.settle().await;
        assert_eq!(client.state.pings, payloads);
    });
}

#[test]
fn a_ping_with_ack_is_not_answered() {
    rfc9113("6.7", async |server| {
        let mut client = server.open().await;
        client.send(PING, ACK, 0, &[7; 8]).await;
        client.settle().await;
        assert!(client.state.pings.is_empty());
        client.alive().await;
    });
}

#[test]
fn unknown_flags_of_a_ping_are_ignored() {
    rfc9113("4.1", async |server| {
        let mut client = server.open().await;
        client.send(PING, 0xfe, 0, &[7; 8]).await;
        client.settle().await;
        assert_eq!(client.state.pings, [[7; 8]]);
        client.alive().await;
    });
}

#[test]
fn a_ping_on_a_stream_is_a_connection_error() {
    rfc9113("6.7", async |server| {
        let mut client = server.open().await;
        client.send(PING, 0, 1, &[7; 8]).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_ping_with_ack_on_a_stream_is_a_connection_error() {
    rfc9113("6.7", async |server| {
        let mut client = server.open().await;
        client.send(PING, ACK, 1, &[7; 8]).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_ping_without_8_bytes_is_a_connection_error() {
    rfc9113("6.7", async |server| {
        for length in [0, 6, 7, 9, 16] {
            let mut client = server.clone().open().await;
            client.send(PING, 0, 0, &vec![7; length]).await;
            client.connection_error(&[FRAME_SIZE_ERROR]).await;
        }
    });
}
