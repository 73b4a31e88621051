//! RST_STREAM of the client (RFC 9113, section 6.4).

use std::future::pending;

use http_body_util::BodyExt;
use http2_judge::frame::{RST_STREAM, post};

use crate::support::{CANCEL, FRAME_SIZE_ERROR, PROTOCOL_ERROR, own_rule, rfc9113};

#[test]
fn a_reset_ends_the_call() {
    rfc9113("6.4", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|_| pending());
        client.get(1).await;
        client.settle().await;
        assert!(!client.last_call().is_over);
        client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
        client.settle().await;
        let call = client.last_call();
        assert!(call.is_over && !call.has_responded);
        assert_eq!(client.state.streams[&1].reset, None, "RST_STREAM in response to RST_STREAM");
        client.ping().await;
    });
}

#[test]
fn a_reset_breaks_the_body_of_the_request() {
    rfc9113("5.1", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|request| async {
            use http_body_util::BodyExt;
            assert!(request.into_body().collect().await.is_err(), "it is not whole");
            pending().await
        });
        client.post(1).await;
        client.data(1, b"a part").await;
        client.settle().await;
        client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
        client.settle().await;
        let call = client.last_call();
        assert!(call.is_over && !call.is_whole);
        client.ping().await;
    });
}

#[test]
fn a_reset_stream_no_longer_counts_for_the_limit() {
    rfc9113("5.1.2", async |server| {
        let mut client = server.with(|settings| settings.streams = 1).open().await;
        client.post(1).await;
        client.settle().await;
        client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
        client.get(3).await;
        client.ok(3).await;
    });
}

#[test]
fn a_reset_right_after_its_request_is_accepted() {
    rfc9113("6.4", async |server| {
        let mut client = server.open().await;
        client.get(1).await;
        client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
        client.alive().await;
    });
}

#[test]
fn a_second_reset_is_ignored() {
    rfc9113("5.1", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.settle().await;
        for _ in 0..2 {
            client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
        }
        client.alive().await;
    });
}

#[test]
fn every_code_of_a_reset_is_accepted() {
    rfc9113("7", async |server| {
        let mut client = server.open().await;
        for code in (0..=14).chain([0xff, u32::MAX]) {
            let id = client.fresh();
            client.post(id).await;
            client.settle().await;
            client.send(RST_STREAM, 0, id, &code.to_be_bytes()).await;
        }
        client.alive().await;
    });
}

#[test]
fn a_reset_of_an_idle_stream_is_a_connection_error() {
    rfc9113("6.4", async |server| {
        let mut client = server.open().await;
        client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_reset_of_stream_0_is_a_connection_error() {
    rfc9113("6.4", async |server| {
        let mut client = server.open().await;
        client.send(RST_STREAM, 0, 0, &CANCEL.to_be_bytes()).await;
        client.connection_error(&[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_reset_without_4_bytes_is_a_connection_error() {
    rfc9113("6.4", async |server| {
        for length in [0, 3, 5] {
            let mut client = server.clone().open().await;
            client.headers(1, &post("/", &[])).await;
            client.send(RST_STREAM, 0, 1, &vec![0; length]).await;
            client.connection_error(&[FRAME_SIZE_ERROR]).await;
        }
    });
}

#[test]
fn data_that_is_not_read_when_its_stream_is_reset_opens_the_window_of_the_connection_again() {
    rfc9113("6.9.1", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|_request| pending());
        for _ in 0..5 {
            let id = client.fresh();
            client.post(id).await;
            client.upload(id, 1_000_000, 16_384, None).await;
            client.settle().await;
            client.send(RST_STREAM, 0, id, &CANCEL.to_be_bytes()).await;
        }
        client.ping().await;
        assert_eq!(client.state.connection.sent, 5_000_000);
    });
}

#[test]
fn a_body_that_another_task_reads_breaks_with_a_reset_or_the_end_of_the_connection() {
    own_rule("a part of a body is never taken for all of it", async |server| {
        for ends_connection in [false, true] {
            let mut client = server.clone().open().await;
            client.calls.respond(|request| async {
                tokio::spawn(request.into_body().collect());
                pending().await
            });
            client.post(1).await;
            client.data(1, b"part").await;
            client.settle().await;
            if ends_connection {
                client.close().await;
            } else {
                client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
            }
            client.settle().await;
            let call = client.last_call();
            assert!(call.is_broken && !call.is_whole, "{call:?}");
        }
    });
}
