//! The windows for DATA of the server (RFC 9113, sections 6.9.1 and 6.9.2). Every case checks that
//! the server sends no byte beyond them.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use http2_judge::{body::Outgoing, frame::RST_STREAM};
use tokio::time::sleep;

use crate::support::{
    CANCEL, Client, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, Start, own_rule, rfc9113,
};

/// Returns a client that has asked for a body of this length.
async fn asked(server: Start, settings: &[(u16, u32)], length: usize) -> Client {
    let mut client = server.open_with(settings).await;
    client.calls.respond(move |_| async move {
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-end"),
            HeaderValue::from_static("yes"),
        )]);
        Response::new(Outgoing::complete(vec![7; length], Some(trailers)))
    });
    client.get(1).await;
    client
}

/// Expects that the server sends exactly this many bytes on stream 1, and then waits.
async fn has_sent(client: &mut Client, length: usize) {
    client.settle().await;
    let stream = &client.state.streams[&1];
    assert_eq!(stream.data.len(), length);
    assert!(!stream.is_ended);
}

#[test]
fn a_body_fills_the_windows_and_waits() {
    rfc9113("6.9.1", async |server| {
        let mut client = asked(server, &[], 100_000).await;
        has_sent(&mut client, 65_535).await;
        client.window_update(1, 100).await;
        has_sent(&mut client, 65_535).await;
        client.window_update(0, 10).await;
        has_sent(&mut client, 65_545).await;
        client.window_update(0, 1_000_000).await;
        has_sent(&mut client, 65_635).await;
        client.window_update(1, 1_000_000).await;
        assert_eq!(client.response(1).await.data.len(), 100_000);
    });
}

#[test]
fn a_body_waits_for_a_window_of_0() {
    rfc9113("6.9.2", async |server| {
        let mut client = asked(server, &[(INITIAL_WINDOW_SIZE, 0)], 3).await;
        has_sent(&mut client, 0).await;
        assert_eq!(client.state.streams[&1].blocks.len(), 1, "headers need no window");
        client.window_update(1, 1).await;
        has_sent(&mut client, 1).await;
        client.window_update(1, 2).await;
        let response = client.response(1).await;
        assert_eq!(response.data, [7; 3]);
        assert!(response.trailers.is_some(), "trailers need no window");
    });
}

#[test]
fn a_window_of_one_byte_is_used() {
    rfc9113("6.9.2", async |server| {
        let mut client = asked(server, &[(INITIAL_WINDOW_SIZE, 1)], 10).await;
        for length in 1..10 {
            has_sent(&mut client, length).await;
            client.window_update(1, 1).await;
        }
        assert_eq!(client.response(1).await.data, [7; 10]);
    });
}

#[test]
fn an_empty_body_needs_no_window() {
    rfc9113("6.9.1", async |server| {
        let mut client = server.open_with(&[(INITIAL_WINDOW_SIZE, 0)]).await;
        client.calls.respond(|_| async {
            let none = stream::empty::<Result<Frame<Bytes>, Infallible>>();
            Response::new(Outgoing::stream(StreamBody::new(none)))
        });
        client.get(1).await;
        assert_eq!(client.response(1).await.data, b"");
    });
}

#[test]
fn a_larger_initial_window_size_lets_open_streams_go_on() {
    rfc9113("6.9.2", async |server| {
        let mut client = asked(server, &[(INITIAL_WINDOW_SIZE, 10)], 1000).await;
        has_sent(&mut client, 10).await;
        client.settings(&[(INITIAL_WINDOW_SIZE, 15)]).await;
        has_sent(&mut client, 15).await;
        client.settings(&[(INITIAL_WINDOW_SIZE, 1000)]).await;
        assert_eq!(client.response(1).await.data.len(), 1000);
    });
}

#[test]
fn a_smaller_initial_window_size_can_make_a_window_negative() {
    rfc9113("6.9.2", async |server| {
        let mut client = asked(server, &[(INITIAL_WINDOW_SIZE, 1000)], 2000).await;
        has_sent(&mut client, 1000).await;
        client.settings(&[(INITIAL_WINDOW_SIZE, 100)]).await;
        client.settle().await;
        client.window_update(1, 900).await;
        has_sent(&mut client, 1000).await;
        client.window_update(1, 1).await;
        has_sent(&mut client, 1001).await;
        client.settings(&[(INITIAL_WINDOW_SIZE, 1100)]).await;
        assert_eq!(client.response(1).await.data.len(), 2000);
    });
}

#[test]
fn the_initial_window_size_counts_for_new_streams() {
    rfc9113("6.9.2", async |server| {
        let mut client = server.open().await;
        client.settings(&[(INITIAL_WINDOW_SIZE, 1)]).await;
        client.ping().await;
        client.get(1).await;
        has_sent(&mut client, 1).await;
        client.window_update(1, 1).await;
        client.ok(1).await;
    });
}

#[test]
fn the_initial_window_size_does_not_change_the_window_of_the_connection() {
    rfc9113("6.9.2", async |server| {
        let mut client = asked(server, &[(INITIAL_WINDOW_SIZE, 1_000_000)], 100_000).await;
        has_sent(&mut client, 65_535).await;
        client.settings(&[(INITIAL_WINDOW_SIZE, 2_000_000)]).await;
        has_sent(&mut client, 65_535).await;
        client.window_update(0, 100_000).await;
        assert_eq!(client.response(1).await.data.len(), 100_000);
    });
}

#[test]
fn all_streams_share_the_window_of_the_connection() {
    rfc9113("6.9.1", async |server| {
        let mut client = asked(server, &[], 50_000).await;
        for id in [3, 5] {
            client.get(id).await;
        }
        client.settle().await;
        let sent: usize = client.state.streams.values().map(|stream| stream.data.len()).sum();
        assert_eq!(sent, 65_535);
        client.window_update(0, 150_000 - 65_535).await;
        for id in [1, 3, 5] {
            assert_eq!(client.response(id).await.data.len(), 50_000);
        }
    });
}

#[test]
fn a_stream_without_a_window_does_not_hold_up_others() {
    rfc9113("5.2", async |server| {
        let mut client = asked(server, &[(INITIAL_WINDOW_SIZE, 0)], 50_000).await;
        has_sent(&mut client, 0).await;
        client.get(3).await;
        client.window_update(3, 50_000).await;
        assert_eq!(client.response(3).await.data.len(), 50_000);
    });
}

#[test]
fn an_end_without_data_does_not_wait_for_the_window_of_the_connection() {
    rfc9113("6.9", async |server| {
        let mut client = asked(server, &[], 100_000).await;
        client.window_update(1, 100_000).await;
        has_sent(&mut client, 65_535).await;
        client.calls.respond(|_| async {
            let trailers = HeaderMap::from_iter([(
                http::HeaderName::from_static("x-end"),
                HeaderValue::from_static("yes"),
            )]);
            Response::new(Outgoing::complete("", Some(trailers)))
        });
        client.get(3).await;
        assert!(client.response(3).await.trailers.is_some(), "trailers need no window");
        client.window_update(0, 100_000).await;
        assert_eq!(client.response(1).await.data.len(), 100_000);
    });
}

#[test]
fn a_stream_whose_data_waits_for_its_window_does_not_hold_up_others() {
    rfc9113("5.2", async |server| {
        let mut client = asked(server, &[(INITIAL_WINDOW_SIZE, 10)], 50_000).await;
        has_sent(&mut client, 10).await;
        client.get(3).await;
        client.window_update(3, 50_000).await;
        assert_eq!(client.response(3).await.data.len(), 50_000);
    });
}

#[test]
fn a_streamed_body_goes_on_as_long_as_the_windows_have_room() {
    rfc9113("6.9.1", async |server| {
        let mut client = server.open_with(&[(INITIAL_WINDOW_SIZE, 1_000_000)]).await;
        client.window_update(0, 1_000_000).await;
        client.calls.respond(|_| async {
            let part = |_| Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[7; 20_000])));
            let parts = stream::iter((0..20).map(part));
            Response::new(Outgoing::stream(StreamBody::new(parts)))
        });
        client.get(1).await;
        assert_eq!(client.response(1).await.data.len(), 400_000);
    });
}

#[test]
fn data_that_waits_for_the_window_of_the_connection_is_dropped_at_an_early_end() {
    own_rule("a call ends at its deadline if its client does not read", async |server| {
        let mut client = server.open_with(&[(INITIAL_WINDOW_SIZE, 1_000_000)]).await;
        client.calls.respond(|_| async {
            let part = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[7; 20_000])));
            let parts = StreamBody::new(stream::repeat_with(part));
            let end = async {
                sleep(Duration::from_secs(5)).await;
                let end = (http::HeaderName::from_static("x-end"), HeaderValue::from_static("yes"));
                HeaderMap::from_iter([end])
            };
            Response::new(Outgoing::stream(parts).ends_early(end))
        });
        client.get(1).await;
        let response = client.response(1).await;
        assert_eq!(response.data.len(), 65_535);
        assert!(response.trailers.is_some());
    });
}

#[test]
fn a_reset_stream_leaves_the_window_of_the_connection_to_others() {
    rfc9113("6.9.1", async |server| {
        let mut client = asked(server, &[(INITIAL_WINDOW_SIZE, 60_000)], 100_000).await;
        has_sent(&mut client, 60_000).await;
        client.get(3).await;
        client.settle().await;
        client.send(RST_STREAM, 0, 3, &CANCEL.to_be_bytes()).await;
        client.settle().await;
        client.window_update(0, 40_000).await;
        client.window_update(1, 40_000).await;
        assert_eq!(client.response(1).await.data.len(), 100_000);
    });
}

#[test]
fn a_larger_max_frame_size_may_be_used() {
    rfc9113("6.5.2", async |server| {
        let settings = [(MAX_FRAME_SIZE, 50_000), (INITIAL_WINDOW_SIZE, 1_000_000)];
        let mut client = asked(server, &settings, 200_000).await;
        client.window_update(0, 1_000_000).await;
        assert_eq!(client.response(1).await.data.len(), 200_000);
        client.settings(&[(MAX_FRAME_SIZE, 16_384)]).await;
        client.ping().await;
        client.get(3).await;
        assert_eq!(client.response(3).await.data.len(), 200_000);
    });
}

#[test]
fn five_mebibytes_arrive_as_the_client_gives_windows() {
    rfc9113("6.9.1", async |server| {
        const TOTAL: usize = 5 << 20;
        let mut client = asked(server, &[], TOTAL).await;
        let mut given = 65_535;
        while given < TOTAL {
            has_sent(&mut client, given).await;
            let more = 65_535.min(TOTAL - given);
            for id in [0, 1] {
                client.window_update(id, u32::try_from(more).expect("it is small")).await;
            }
            given += more;
        }
        assert_eq!(client.response(1).await.data.len(), TOTAL);
    });
}

/// Returns a client whose stream 1 has used up the window of the connection, and has more data.
async fn without_connection_window(server: Start) -> Client {
    let settings = [(INITIAL_WINDOW_SIZE, 1_000_000)];
    let mut client = asked(server, &settings, 100_000).await;
    has_sent(&mut client, 65_535).await;
    client
}

#[test]
fn trailers_need_no_window_of_the_connection() {
    rfc9113("5.2.1", async |server| {
        let mut client = without_connection_window(server).await;
        client.calls.respond(|_| async {
            let trailers = HeaderMap::from_iter([(
                http::HeaderName::from_static("x-end"),
                HeaderValue::from_static("yes"),
            )]);
            let frame = Ok::<_, Infallible>(Frame::trailers(trailers));
            Response::new(Outgoing::stream(StreamBody::new(stream::iter([frame]))))
        });
        client.get(3).await;
        assert!(client.response(3).await.trailers.is_some(), "only DATA needs a window");
    });
}

#[test]
fn an_empty_body_needs_no_window_of_the_connection() {
    rfc9113("6.9.1", async |server| {
        let mut client = without_connection_window(server).await;
        client.calls.respond(|_| async {
            let none = stream::empty::<Result<Frame<Bytes>, Infallible>>();
            Response::new(Outgoing::stream(StreamBody::new(none)))
        });
        client.get(3).await;
        assert_eq!(client.response(3).await.data, b"");
    });
}

#[test]
fn an_early_end_needs_no_window_of_the_connection() {
    own_rule("a deadline reaches a client that does not read", async |server| {
        let mut client = without_connection_window(server).await;
        client.calls.respond(|_| async {
            let frame = |_| Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[7; 100])));
            let frames = stream::iter((0..10_000).map(frame));
            let body = Outgoing::stream(StreamBody::new(frames)).ends_early(async {
                tokio::time::sleep(std::time::Duration::from_secs(5)).await;
                HeaderMap::from_iter([(
                    http::HeaderName::from_static("x-end"),
                    HeaderValue::from_static("yes"),
                )])
            });
            Response::new(body)
        });
        client.get(3).await;
        assert!(client.response(3).await.trailers.is_some(), "only DATA needs a window");
    });
}
