//! Retries of `sample-service call`, as a server sees them.

use std::{process::Output, time::Duration};

use channel::{Channel, MAX_ATTEMPTS, Target};
use h2::Reason;
use sample_service::proto::sample_service_client::SampleServiceClient;
use serde_json::Value;
use tokio::net::TcpListener;
use tonic::Code;

use crate::support::{
    http2::{ACK, DATA, END_STREAM, GOAWAY, HEADERS, PREFACE, Peer, SETTINGS, frame},
    in_process::request,
    process::{NEVER, event, run, stderr, stdout},
    scripted::{Reaction, Scripted, Seen},
};

const UNAVAILABLE: Reaction = Reaction::Status(Code::Unavailable, None);

/// Makes one call. Returns the output, and its line of JSON parsed.
fn call(server: &Scripted, more: &[&str]) -> (Output, Value) {
    call_at(&server.address, more)
}

fn call_at(address: &str, more: &[&str]) -> (Output, Value) {
    let deadline: &[_] = if more.contains(&"--timeout") { &[] } else { &["--timeout", "60s"] };
    let output =
        run(&[&["call", "hello", "--json", "--address", address], deadline, more].concat());
    let line = event(&stdout(&output));
    (output, line)
}

fn previous(seen: &[Seen]) -> Vec<Option<String>> {
    let header = |seen: &'_ Seen| seen.headers.get("grpc-previous-rpc-attempts").cloned();
    seen.iter()
        .map(|seen| header(seen).map(|value| value.to_str().expect("ASCII").into()))
        .collect()
}

/// Returns the time that is left until the deadline of a call, in microseconds.
fn left(seen: &Seen) -> u64 {
    let text = seen.headers["grpc-timeout"].to_str().expect("ASCII");
    text.strip_suffix('u').expect("below 100 s").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_is_retried_with_the_attempt_count_and_the_time_left() {
    let server = Scripted::start(&[UNAVAILABLE, UNAVAILABLE]).await;
    let (output, line) = call(&server, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(line["response"], "scripted");
    assert_eq!(line["attempts"], 3);
    let seen = server.seen();
    assert_eq!(previous(&seen), [None, Some("1".to_owned()), Some("2".to_owned())]);
    // All attempts share one deadline.
    assert!(left(&seen[0]) <= 60_000_000 && left(&seen[0]) > left(&seen[1]));
    let waited = seen[2].at - seen[0].at;
    assert!(waited >= Duration::from_millis(80 + 160), "{waited:?}");
    assert!(left(&seen[0]) - left(&seen[2]) >= 240_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_the_last_attempt_is_reported() {
    for (attempts, expected) in [("5", 5), ("2", 2), ("1", 1)] {
        let server = Scripted::start(&[UNAVAILABLE; 9]).await;
        let (output, line) = call(&server, &["--attempts", attempts]);
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(line["error"]["code"], "UNAVAILABLE");
        assert_eq!(line["attempts"], expected);
        assert_eq!(server.seen().len(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushback_delays_the_retry_and_makes_resource_exhausted_retryable() {
    let exhausted = |pushback| Reaction::Status(Code::ResourceExhausted, pushback);
    let server = Scripted::start(&[exhausted(Some("700"))]).await;
    let (_, line) = call(&server, &[]);
    assert_eq!(line["response"], "scripted");
    assert_eq!(line["attempts"], 2);
    let seen = server.seen();
    assert!(seen[1].at - seen[0].at >= Duration::from_millis(700));

    for final_response in [
        exhausted(None),
        exhausted(Some("-1")),
        Reaction::Status(Code::Unavailable, Some("-1")),
        Reaction::Status(Code::Unavailable, Some("soon")),
        // The retry would begin after the deadline, so there is none.
        exhausted(Some("70000")),
        Reaction::Status(Code::Internal, Some("1")),
    ] {
        let server = Scripted::start(&[final_response]).await;
        let (output, line) = call(&server, &[]);
        assert_eq!(output.status.code(), Some(3), "{final_response:?}");
        assert_eq!(server.seen().len(), 1, "{final_response:?}");
        assert!(line["duration_ms"].as_f64() < Some(60_000.0), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_stream_is_retried_without_an_attempt() {
    let server = Scripted::start(&[Reaction::Reset(Reason::REFUSED_STREAM)]).await;
    let (_, line) = call(&server, &["--attempts", "1"]);
    assert_eq!(line["response"], "scripted");
    assert_eq!(line["attempts"], 1);
    assert_eq!(previous(&server.seen()), [None, None]);

    // A call has only one transparent retry.
    let server = Scripted::start(&[Reaction::Reset(Reason::REFUSED_STREAM); 2]).await;
    let (_, line) = call(&server, &["--attempts", "1"]);
    assert_eq!(line["error"]["code"], "UNAVAILABLE");
    assert_eq!(server.seen().len(), 2);
}

/// A server has not processed a call whose stream is above the last stream that GOAWAY names.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_above_the_last_stream_of_goaway_is_retried_without_an_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let server = tokio::spawn(async move {
        let mut peers = Vec::new();
        for first in [true, false] {
            let (tcp, _) = listener.accept().await.expect("a client");
            let mut peer = Peer(tcp);
            let mut preface = [0; PREFACE.len()];
            tokio::io::AsyncReadExt::read_exact(&mut peer.0, &mut preface)
                .await
                .expect("it begins");
            peer.send(&frame(SETTINGS, 0, 0, &[])).await;
            peer.send(&frame(SETTINGS, ACK, 0, &[])).await;
            let head = peer.next(HEADERS).await.expect("a call");
            if first {
                peer.send(&frame(GOAWAY, 0, 0, &[0; 8])).await;
            } else {
                // :status 200, and the field content-type in HPACK's static table.
                let mut block = vec![0x88, 0x0f, 0x10, 16];
                block.extend(b"application/grpc");
                peer.send(&frame(HEADERS, 4, head.stream, &block)).await;
                peer.send(&frame(DATA, 0, head.stream, &[0; 5])).await;
                let mut block = vec![0, 11];
                block.extend(b"grpc-status\x010");
                peer.send(&frame(HEADERS, 4 | END_STREAM, head.stream, &block)).await;
            }
            peers.push(peer);
        }
        peers
    });
    let (_, line) = call_at(&address, &["--attempts", "1"]);
    assert_eq!(line["response"], "", "{line}");
    assert_eq!(line["attempts"], 1);
    server.await.expect("no panic");
}

/// A GOAWAY with an error also ends streams that the server may have processed.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_ended_by_goaway_with_an_error_counts_as_an_attempt() {
    for reason in [Reason::INTERNAL_ERROR, Reason::ENHANCE_YOUR_CALM] {
        let server = Scripted::start(&[Reaction::GoAway(reason)]).await;
        let (output, line) = call(&server, &["--attempts", "1"]);
        assert_eq!(output.status.code(), Some(3), "{line}");
        assert_eq!(line["error"]["code"], "UNAVAILABLE", "{line}");
        assert_eq!(server.seen().len(), 1, "{reason:?}");

        let server = Scripted::start(&[Reaction::GoAway(reason)]).await;
        let (_, line) = call(&server, &["--attempts", "2"]);
        assert_eq!(line["attempts"], 2, "{line}");
        assert_eq!(previous(&server.seen()), [None, Some("1".to_owned())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_before_the_response_is_unavailable_and_retried() {
    let server = Scripted::start(&[Reaction::Break]).await;
    let (_, line) = call(&server, &[]);
    assert_eq!(line["response"], "scripted");
    assert_eq!(line["attempts"], 2);

    let server = Scripted::start(&[Reaction::Break]).await;
    let (output, line) = call(&server, &["--attempts", "1"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(line["error"]["code"], "UNAVAILABLE", "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_response_has_begun_is_not_retried() {
    let server = Scripted::start(&[Reaction::BreakAfterHead]).await;
    let (_, line) = call(&server, &[]);
    assert_eq!(line["error"]["code"], "UNAVAILABLE", "{line}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_never_ends_times_out_at_the_deadline() {
    let server = Scripted::start(&[Reaction::HeadAlone]).await;
    let (output, line) = call(&server, &["--timeout", "300ms"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(line["error"]["code"], "DEADLINE_EXCEEDED", "{line}");
    assert_eq!(line["error"]["message"], "no response within 300ms", "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_and_http_statuses_become_grpc_codes() {
    for (response, code, attempts) in [
        (Reaction::Reset(Reason::INTERNAL_ERROR), "INTERNAL", 1),
        (Reaction::Reset(Reason::CANCEL), "CANCELLED", 1),
        (Reaction::Reset(Reason::ENHANCE_YOUR_CALM), "RESOURCE_EXHAUSTED", 1),
        (Reaction::Http(404), "UNIMPLEMENTED", 1),
        (Reaction::Http(503), "UNAVAILABLE", 2),
    ] {
        let server = Scripted::start(&[response; 2]).await;
        let (_, line) = call(&server, &["--attempts", "2"]);
        assert_eq!(line["error"]["code"], code, "{line}");
        assert_eq!(server.seen().len(), attempts, "{code}");
    }
}

/// A retry would not help, because no connection can send a header that HTTP/2 forbids.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_sent_fails_at_once() {
    let server = Scripted::start(&[]).await;
    let channel = Channel::new(&Target {
        address: server.address.parse().expect("an address"),
        tls: None,
        timeout: NEVER,
        wait_for_ready: false,
        max_attempts: MAX_ATTEMPTS,
        user_agent: channel::user_agent("tests", "1.0"),
        tracing: None,
        balance: channel::Balance::default(),
        outlier_detection: None,
    });
    let mut wrong = tonic::Request::new(request("hello"));
    wrong.metadata_mut().insert("connection", "close".parse().expect("ASCII"));
    let mut client = SampleServiceClient::new(channel);
    let status = client.call(wrong).await.expect_err("HTTP/2 has no such header");
    assert_eq!(status.code(), Code::Internal, "{status}");
    assert!(client.call(request("hello")).await.is_ok());
    assert_eq!(server.seen().len(), 1);
}
