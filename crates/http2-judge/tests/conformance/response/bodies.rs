//! The bodies and the trailers of responses (RFC 9113, section 8.1).

use std::future::pending;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use http2_judge::{body::Outgoing, frame::RST_STREAM};

use crate::support::{CANCEL, Client, Start, fields, own_rule, rfc9113};

const INTERNAL_ERROR: u32 = 2;

fn trailers() -> HeaderMap {
    let name = HeaderName::from_static("x-end");
    HeaderMap::from_iter([(name, HeaderValue::from_static("yes"))])
}

/// Returns a client whose requests get a response with this body.
async fn open(server: Start, body: impl Fn() -> Outgoing + Send + Sync + 'static) -> Client {
    let client = server.open().await;
    client.calls.respond(move |_| std::future::ready(Response::new(body())));
    client
}

fn data(byte: u8, length: usize) -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(vec![byte; length].into()))
}

#[test]
fn a_response_without_a_body_ends() {
    rfc9113("8.1", async |server| {
        let mut client = open(server, Outgoing::empty).await;
        client.get(1).await;
        let response = client.response(1).await;
        assert_eq!((response.data, response.trailers), (Vec::new(), None));
    });
}

#[test]
fn a_response_of_trailers_only_ends() {
    rfc9113("8.1", async |server| {
        let mut client = open(server, || Outgoing::complete("", Some(trailers()))).await;
        client.get(1).await;
        let response = client.response(1).await;
        assert_eq!(response.data, b"");
        assert_eq!(response.trailers.expect("trailers"), [(b"x-end".to_vec(), b"yes".to_vec())]);
    });
}

#[test]
fn a_response_with_data_and_trailers_ends_with_the_trailers() {
    rfc9113("8.1", async |server| {
        let mut client = open(server, || Outgoing::complete("data", Some(trailers()))).await;
        client.get(1).await;
        let response = client.response(1).await;
        assert_eq!(response.data, b"data");
        assert_eq!(response.trailers.expect("trailers"), [(b"x-end".to_vec(), b"yes".to_vec())]);
    });
}

#[test]
fn a_response_that_has_no_content_ends_with_its_head_while_the_request_is_open() {
    rfc9113("8.1", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|request| async move {
            let no_content = request.uri().path() == "/204";
            // The handler keeps the body of the request, and its response goes on.
            let kept = request.into_body();
            let parts = stream::unfold(kept, async |kept| Some((data(1, 10), kept)));
            let body = Outgoing::stream(StreamBody::new(Box::pin(parts))).never_ends();
            let mut response = Response::new(body);
            if no_content {
                *response.status_mut() = http::StatusCode::NO_CONTENT;
            }
            response
        });
        for (id, method, path) in [(1, "HEAD", "/"), (3, "POST", "/204")] {
            let pseudo = [(":method", method), (":scheme", "http"), (":path", path)];
            client.headers(id, &fields(&pseudo)).await;
            client.settle().await;
            let stream = &client.state.streams[&id];
            assert_eq!((stream.data.len(), stream.is_ended), (0, true), "{method} {path}");
        }
    });
}

#[test]
fn the_parts_of_a_body_arrive_in_their_order() {
    rfc9113("8.1", async |server| {
        let body = || {
            let parts = [data(1, 10), data(2, 20_000), data(3, 0), data(4, 1)];
            Outgoing::stream(StreamBody::new(stream::iter(parts)))
        };
        let mut client = open(server, body).await;
        client.get(1).await;
        let expected = [vec![1; 10], vec![2; 20_000], vec![4]].concat();
        assert_eq!(client.response(1).await.data, expected);
    });
}

#[test]
fn the_parts_of_a_body_arrive_as_they_come() {
    rfc9113("8.1", async |server| {
        let body = || {
            let parts = stream::iter([data(1, 10)]).chain(stream::pending());
            Outgoing::stream(StreamBody::new(parts))
        };
        let mut client = open(server, body).await;
        client.get(1).await;
        client.until("data", |state| state.streams[&1].data == [1; 10]).await;
        assert!(!client.state.streams[&1].is_ended);
        client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
        client.ping().await;
    });
}

#[test]
fn a_body_that_breaks_resets_the_stream() {
    rfc9113("8.1", async |server| {
        let body = || Outgoing::stream(StreamBody::new(stream::iter([data(1, 10), Err("broken")])));
        let mut client = open(server, body).await;
        client.get(1).await;
        client.until("a reset", |state| state.streams[&1].reset.is_some()).await;
        assert_eq!(client.state.streams[&1].reset, Some(INTERNAL_ERROR));
        assert!(!client.state.streams[&1].is_ended);
        client.ping().await;
    });
}

#[test]
fn trailers_that_http_2_does_not_allow_are_not_sent() {
    rfc9113("8.2.2", async |server| {
        let body = || {
            let close = (http::header::CONNECTION, HeaderValue::from_static("close"));
            Outgoing::complete("data", Some(HeaderMap::from_iter([close])))
        };
        let mut client = open(server, body).await;
        client.get(1).await;
        client
            .until("an end", |state| {
                state.streams[&1].is_ended || state.streams[&1].reset.is_some()
            })
            .await;
        client.ping().await;
    });
}

#[test]
fn a_stalled_body_ends_early_with_its_trailers() {
    rfc9113("8.1", async |server| {
        let mut client = server.open_with(&[(crate::support::INITIAL_WINDOW_SIZE, 5)]).await;
        client.calls.respond(|_| async {
            let parts = stream::iter([data(1, 10)]).chain(stream::pending());
            let end = async {
                tokio::time::sleep(std::time::Duration::from_secs(5)).await;
                trailers()
            };
            Response::new(Outgoing::stream(StreamBody::new(parts)).ends_early(end))
        });
        client.get(1).await;
        let response = client.response(1).await;
        assert_eq!(response.data, [1; 5]);
        assert!(response.trailers.is_some());
    });
}

#[test]
fn the_responses_of_many_streams_do_not_mix() {
    rfc9113("5", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|request| async move {
            let text = request.uri().path().repeat(1000);
            Response::new(Outgoing::complete(text, Some(trailers())))
        });
        for id in (1..40).step_by(2) {
            client.request(id, &http2_judge::frame::post(&format!("/{id:02}"), &[])).await;
        }
        for id in (1..40).step_by(2) {
            assert_eq!(client.response(id).await.data, format!("/{id:02}").repeat(1000).as_bytes());
            client.window_update(0, 3000).await;
        }
    });
}

#[test]
fn the_requests_of_many_streams_do_not_mix() {
    rfc9113("5", async |server| {
        let mut client = server.open().await;
        for id in (1..40).step_by(2) {
            client.post(id).await;
        }
        for round in 0..10 {
            for id in (1..40_u8).step_by(2) {
                client.data(u32::from(id), &[id + round]).await;
            }
        }
        for id in (1..40).step_by(2) {
            client.request(id, &fields(&[("x-id", &id.to_string())])).await;
        }
        client.settle().await;
        for (call, id) in client.calls.all().iter().zip((1..40_u8).step_by(2)) {
            assert_eq!(call.body, (id..id + 10).collect::<Vec<u8>>());
            assert_eq!(call.trailers.as_ref().expect("trailers")["x-id"], id.to_string());
        }
    });
}

#[test]
fn a_response_waits_for_nothing_but_its_own_call() {
    rfc9113("5", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|_| pending());
        client.get(1).await;
        client.settle().await;
        client.calls.respond(|_| async { Response::new(Outgoing::complete("ok", None)) });
        client.get(3).await;
        client.ok(3).await;
    });
}

#[test]
fn a_handler_that_panics_resets_its_stream_alone() {
    own_rule("a call that fails does not end others", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|_| async { panic!("the handler of this case panics") });
        client.get(1).await;
        client.until("a reset", |state| state.streams[&1].reset.is_some()).await;
        client.calls.respond(|_| async { Response::new(Outgoing::complete("ok", None)) });
        client.alive().await;
    });
}

#[test]
fn a_body_that_panics_resets_its_stream_alone() {
    own_rule("a call that fails does not end others", async |server| {
        let body = || {
            let panics = stream::once(async { panic!("the body of this case panics") });
            Outgoing::stream(StreamBody::new(stream::iter([data(1, 10)]).chain(panics)))
        };
        let mut client = open(server, body).await;
        client.get(1).await;
        client.until("a reset", |state| state.streams[&1].reset.is_some()).await;
        assert!(!client.state.streams[&1].is_ended);
        client.calls.respond(|_| async { Response::new(Outgoing::complete("ok", None)) });
        client.alive().await;
    });
}

#[test]
fn the_body_of_a_response_to_head_is_not_sent() {
    rfc9113("8.1", async |server| {
        let mut client = open(server, || Outgoing::complete("body", Some(trailers()))).await;
        let head = [(":method", "HEAD"), (":scheme", "http"), (":path", "/"), (":authority", "t")];
        client.request(1, &fields(&head)).await;
        assert_eq!(client.response(1).await.data, b"");
        client.ping().await;
    });
}
