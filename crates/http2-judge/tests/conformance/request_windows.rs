//! The windows for DATA of the client (RFC 9113, section 6.9).

use std::{future::pending, time::Duration};

use http::Response;
use http_body_util::BodyExt;
use http2_judge::{
    body::Outgoing,
    frame::{DATA, PADDED, PREFACE},
};
use tokio::time::sleep;

use crate::support::{FLOW_CONTROL_ERROR, own_rule, rfc9113};

const FULL: usize = 1 << 20;

#[test]
fn five_mebibytes_of_one_request_are_read() {
    rfc9113("6.9", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.upload(1, 5 << 20, 16_384, None).await;
        client.end(1, b"").await;
        client.ok(1).await;
        assert_eq!(client.last_call().body.len(), 5 << 20);
    });
}

#[test]
fn five_mebibytes_of_many_requests_are_read() {
    rfc9113("6.9", async |server| {
        let mut client = server.open().await;
        for _ in 0..50 {
            let id = client.fresh();
            client.post(id).await;
            client.upload(id, (5 << 20) / 50, 10_000, None).await;
            client.end(id, b"").await;
            client.ok(id).await;
        }
    });
}

#[test]
fn padding_is_given_back_as_data_is() {
    rfc9113("6.9", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        // Each byte of data takes 257 bytes of the windows: 5 MiB in total.
        client.upload(1, 20_400, 1, Some(255)).await;
        client.end(1, b"").await;
        client.ok(1).await;
        assert_eq!(client.last_call().body.len(), 20_400);
    });
}

#[test]
fn padding_without_data_is_given_back() {
    rfc9113("6.9", async |server| {
        let mut client = server.with(|settings| settings.window = 16_000).open().await;
        client.post(1).await;
        let payload = [&[255][..], &[0; 255]].concat();
        // A server may refuse more frames of padding as a flood.
        for _ in 0..90 {
            client.until("a window opens", |state| state.room(1) >= 256).await;
            client.send(DATA, PADDED, 1, &payload).await;
            client.upload(1, 1000, 1000, None).await;
        }
        client.end(1, b"").await;
        client.ok(1).await;
        assert_eq!(client.last_call().body.len(), 90_000);
    });
}

#[test]
fn the_body_that_a_handler_drops_is_given_back_to_the_connection() {
    rfc9113("6.9.1", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|request| async {
            drop(request);
            pending().await
        });
        for _ in 0..5 {
            let id = client.fresh();
            client.post(id).await;
            client.upload(id, 1_000_000, 16_384, None).await;
        }
    });
}

#[test]
fn the_body_that_no_handler_reads_is_given_back_after_the_response() {
    rfc9113("6.9.1", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|request| async move {
            let _unread = request;
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            Response::new(Outgoing::complete("ok", None))
        });
        for _ in 0..5 {
            let id = client.fresh();
            client.post(id).await;
            client.upload(id, 1_000_000, 16_384, None).await;
            client.end(id, b"").await;
            client.ok(id).await;
        }
    });
}

#[test]
fn a_handler_that_does_not_read_lets_the_windows_run_full() {
    rfc9113("5.2", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|_request| pending());
        client.post(1).await;
        client.settle().await;
        let room = usize::try_from(client.state.room(1)).expect("it is positive");
        assert_eq!(room, FULL);
        client.upload(1, FULL, 16_384, None).await;
        client.settle().await;
        assert_eq!(client.state.goaways, []);
        assert_eq!(client.state.streams[&1].reset, None);
    });
}

#[test]
fn data_without_bytes_needs_no_window() {
    rfc9113("6.9.1", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|request| async move {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            let _read = http_body_util::BodyExt::collect(request.into_body()).await;
            Response::new(Outgoing::complete("ok", None))
        });
        client.post(1).await;
        client.upload(1, FULL, 16_384, None).await;
        client.end(1, b"").await;
        client.ok(1).await;
        assert_eq!(client.last_call().body.len(), FULL);
    });
}

#[test]
fn one_byte_more_than_the_windows_is_an_error() {
    rfc9113("6.9.1", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|request| async move {
            let _unread = request;
            pending().await
        });
        client.post(1).await;
        client.upload(1, FULL, 16_384, None).await;
        client.settle().await;
        client.data(1, &[7]).await;
        client
            .until("an error", |state| {
                state.streams[&1].reset.is_some() || !state.goaways.is_empty()
            })
            .await;
        let reset = client.state.streams[&1].reset;
        let code = reset.unwrap_or_else(|| client.state.goaways[0].1);
        assert_eq!(code, FLOW_CONTROL_ERROR);
    });
}

#[test]
fn padding_beyond_the_windows_is_an_error() {
    rfc9113("6.9.1", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|request| async move {
            let _unread = request;
            pending().await
        });
        client.post(1).await;
        client.upload(1, FULL - 10, 16_384, None).await;
        client.settle().await;
        client.send(DATA, PADDED, 1, &[9, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await;
        client
            .until("an error", |state| {
                state.streams[&1].reset.is_some() || !state.goaways.is_empty()
            })
            .await;
        let reset = client.state.streams[&1].reset;
        let code = reset.unwrap_or_else(|| client.state.goaways[0].1);
        assert_eq!(code, FLOW_CONTROL_ERROR);
    });
}

#[test]
fn one_byte_more_than_the_window_of_the_connection_is_a_connection_error() {
    rfc9113("6.9.1", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|request| async move {
            let _unread = request;
            pending().await
        });
        client.post(1).await;
        client.post(3).await;
        client.upload(1, 600_000, 16_384, None).await;
        client.upload(3, FULL - 600_000, 16_384, None).await;
        client.settle().await;
        client.data(3, &[7]).await;
        client.connection_error(&[FLOW_CONTROL_ERROR]).await;
    });
}

#[test]
fn the_initial_window_counts_until_the_settings_are_acknowledged() {
    rfc9113("6.9.2", async |server| {
        let mut client = server.with(|settings| settings.window = 1000).connect();
        client.raw(PREFACE).await;
        client.settings(&[]).await;
        client.post(1).await;
        // The client has not read the server's SETTINGS, so each stream has 65,535 bytes.
        for _ in 0..4 {
            client.data(1, &[7; 15_000]).await;
        }
        client.end(1, b"").await;
        client.ok(1).await;
        assert_eq!(client.last_call().body.len(), 60_000);
    });
}

#[test]
fn many_bodies_that_are_read_only_in_part_are_given_back_to_the_connection() {
    rfc9113("6.9.1", async |server| {
        const PART: usize = 8000;
        let mut client = server.with(|settings| settings.window = 65_535).open().await;
        // Another task reads the body, so that reading does not wake the call.
        client.calls.respond(|request| async {
            tokio::spawn(async {
                sleep(Duration::from_secs(1)).await;
                request.into_body().collect().await
            });
            pending().await
        });
        for id in (1..17).step_by(2) {
            client.post(id).await;
            client.data(id, &[7; PART]).await;
        }
        client.until("a window opens", |state| state.connection_room() > 30_000).await;
    });
}

#[test]
fn one_byte_more_than_the_window_of_the_stream_alone_is_an_error() {
    rfc9113("6.9.1", async |server| {
        let mut client = server.with(|settings| settings.window = 1000).open().await;
        client.calls.respond(|_unread| pending());
        client.post(1).await;
        client.data(1, &[7; 1000]).await;
        client.ping().await;
        assert_eq!(client.state.streams[&1].reset, None);
        client.data(1, &[7]).await;
        client.calls.respond(|_| async { Response::new(Outgoing::complete("ok", None)) });
        client.either_error(1, &[FLOW_CONTROL_ERROR]).await;
    });
}

#[test]
fn whole_bodies_that_no_handler_reads_occupy_the_window_of_the_connection() {
    own_rule("unread bodies of all streams are bounded by one window", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|request| async move {
            let _unread = request;
            pending().await
        });
        // Each body arrives in full, together with the head of its request.
        let mut sent = 0;
        for _ in 0..100 {
            if client.state.connection_room() < 50_000 {
                break;
            }
            let id = client.fresh();
            client.post(id).await;
            for _ in 0..5 {
                client.data(id, &[7; 10_000]).await;
            }
            client.end(id, b"").await;
            sent += 50_000;
            client.settle().await;
        }
        assert!(sent <= FULL, "{sent} bytes are not read, with a window of {FULL}");
    });
}
