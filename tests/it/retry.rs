//! Which calls of `sample-service call` are tried again, as a server sees it.

use std::{process::Output, time::Duration};

use h2::Reason;
use sample_service::{
    client::{Channel, MAX_ATTEMPTS, Target},
    proto::sample_service_client::SampleServiceClient,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tonic::Code;

use crate::support::{
    http2::{ACK, DATA, END_STREAM, GOAWAY, HEADERS, PREFACE, Peer, SETTINGS, frame},
    process::{NEVER, event, run, stderr, stdout},
    request,
    scripted::{Answer, Scripted, Seen},
};

const UNAVAILABLE: Answer = Answer::Status(Code::Unavailable, None);

/// One call; its line of JSON.
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

/// The time that a call's deadline leaves it, in microseconds.
fn left(seen: &Seen) -> u64 {
    let text = seen.headers["grpc-timeout"].to_str().expect("ASCII");
    text.strip_suffix('u').expect("below 100 s").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_is_tried_again_and_says_how_often_and_how_long() {
    let server = Scripted::start(&[UNAVAILABLE, UNAVAILABLE]).await;
    let (output, line) = call(&server, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(line["response"], "scripted");
    assert_eq!(line["attempts"], 3);
    let seen = server.seen();
    assert_eq!(previous(&seen), [None, Some("1".to_owned()), Some("2".to_owned())]);
    // The deadline is one for all attempts.
    assert!(left(&seen[0]) <= 60_000_000 && left(&seen[0]) > left(&seen[1]));
    let waited = seen[2].at - seen[0].at;
    assert!(waited >= Duration::from_millis(80 + 160), "{waited:?}");
    assert!(left(&seen[0]) - left(&seen[2]) >= 240_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_status_is_told_after_the_last_attempt() {
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
async fn a_pushback_is_waited_for_and_makes_resource_exhausted_worth_a_retry() {
    let exhausted = |pushback| Answer::Status(Code::ResourceExhausted, pushback);
    let server = Scripted::start(&[exhausted(Some("700"))]).await;
    let (_, line) = call(&server, &[]);
    assert_eq!(line["response"], "scripted");
    assert_eq!(line["attempts"], 2);
    let seen = server.seen();
    assert!(seen[1].at - seen[0].at >= Duration::from_millis(700));

    for final_answer in [
        exhausted(None),
        exhausted(Some("-1")),
        Answer::Status(Code::Unavailable, Some("-1")),
        Answer::Status(Code::Unavailable, Some("soon")),
        // It would end past the deadline: nobody waits for that.
        exhausted(Some("70000")),
        Answer::Status(Code::Internal, Some("1")),
    ] {
        let server = Scripted::start(&[final_answer]).await;
        let (output, line) = call(&server, &[]);
        assert_eq!(output.status.code(), Some(3), "{final_answer:?}");
        assert_eq!(server.seen().len(), 1, "{final_answer:?}");
        assert!(line["duration_ms"].as_f64() < Some(60_000.0), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_stream_is_no_attempt() {
    let server = Scripted::start(&[Answer::Reset(Reason::REFUSED_STREAM)]).await;
    let (_, line) = call(&server, &["--attempts", "1"]);
    assert_eq!(line["response"], "scripted");
    assert_eq!(line["attempts"], 1);
    assert_eq!(previous(&server.seen()), [None, None]);

    // Free of charge once.
    let server = Scripted::start(&[Answer::Reset(Reason::REFUSED_STREAM); 2]).await;
    let (_, line) = call(&server, &["--attempts", "1"]);
    assert_eq!(line["error"]["code"], "UNAVAILABLE");
    assert_eq!(server.seen().len(), 2);
}

/// Its last stream is below the call's: nothing behind the server's library saw it.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_goaway_leaves_out_is_no_attempt() {
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

/// Such a GOAWAY ends every stream, and those that were worked on too.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_goaway_ends_with_an_error_was_an_attempt() {
    for reason in [Reason::INTERNAL_ERROR, Reason::ENHANCE_YOUR_CALM] {
        let server = Scripted::start(&[Answer::GoAway(reason)]).await;
        let (output, line) = call(&server, &["--attempts", "1"]);
        assert_eq!(output.status.code(), Some(3), "{line}");
        assert_eq!(line["error"]["code"], "UNAVAILABLE", "{line}");
        assert_eq!(server.seen().len(), 1, "{reason:?}");

        let server = Scripted::start(&[Answer::GoAway(reason)]).await;
        let (_, line) = call(&server, &["--attempts", "2"]);
        assert_eq!(line["attempts"], 2, "{line}");
        assert_eq!(previous(&server.seen()), [None, Some("1".to_owned())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_before_the_answer_is_unavailable_and_tried_again() {
    let server = Scripted::start(&[Answer::Break]).await;
    let (_, line) = call(&server, &[]);
    assert_eq!(line["response"], "scripted");
    assert_eq!(line["attempts"], 2);

    let server = Scripted::start(&[Answer::Break]).await;
    let (output, line) = call(&server, &["--attempts", "1"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(line["error"]["code"], "UNAVAILABLE", "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_has_begun_is_the_only_one() {
    let server = Scripted::start(&[Answer::BreakAfterHead]).await;
    let (_, line) = call(&server, &[]);
    assert_eq!(line["error"]["code"], "UNAVAILABLE", "{line}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_ends_ends_at_the_deadline() {
    let server = Scripted::start(&[Answer::HeadAlone]).await;
    let (output, line) = call(&server, &["--timeout", "300ms"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(line["error"]["code"], "DEADLINE_EXCEEDED", "{line}");
    assert_eq!(line["error"]["message"], "no answer within 300ms", "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_and_a_proxys_answer_become_grpcs_codes() {
    for (answer, code, attempts) in [
        (Answer::Reset(Reason::INTERNAL_ERROR), "INTERNAL", 1),
        (Answer::Reset(Reason::CANCEL), "CANCELLED", 1),
        (Answer::Reset(Reason::ENHANCE_YOUR_CALM), "RESOURCE_EXHAUSTED", 1),
        (Answer::Http(404), "UNIMPLEMENTED", 1),
        (Answer::Http(503), "UNAVAILABLE", 2),
    ] {
        let server = Scripted::start(&[answer; 2]).await;
        let (_, line) = call(&server, &["--attempts", "2"]);
        assert_eq!(line["error"]["code"], code, "{line}");
        assert_eq!(server.seen().len(), attempts, "{code}");
    }
}

/// No other connection would take it either.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_sent_fails_at_once() {
    let server = Scripted::start(&[]).await;
    let channel = Channel::new(&Target {
        address: server.address.parse().expect("an address"),
        tls: None,
        timeout: NEVER,
        wait_for_ready: false,
        max_attempts: MAX_ATTEMPTS,
        tracing: None,
    });
    let mut wrong = tonic::Request::new(request("hello"));
    wrong.metadata_mut().insert("connection", "close".parse().expect("ASCII"));
    let mut client = SampleServiceClient::new(channel);
    let status = client.call(wrong).await.expect_err("HTTP/2 has no such header");
    assert_eq!(status.code(), Code::Internal, "{status}");
    assert!(client.call(request("hello")).await.is_ok());
    assert_eq!(server.seen().len(), 1);
}
