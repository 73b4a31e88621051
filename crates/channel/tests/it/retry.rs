//! What counts as an attempt, as a failure and as a success.

use bytes::Bytes;
use channel::{Channel, PREVIOUS_ATTEMPTS};
use futures_util::StreamExt;
use h2::{Reason, server::SendResponse};
use http::{Request, Response};
use http_body_util::BodyExt;
use tonic::Code;

use crate::support::{Client, EchoServer, LONG, accept, listen, target};

/// Responds with headers only. A retry may follow at once.
fn respond_with(mut respond: SendResponse<Bytes>, code: Code) {
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", (code as i32).to_string())
        .header("grpc-retry-pushback-ms", "0")
        .body(());
    respond.send_response(response.expect("a response"), true).expect("in flight");
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_and_is_no_attempt() {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let mut server = accept(&listener, 100).await;
        let mut is_first = true;
        while let Some(call) = server.accept().await {
            let (_, mut respond) = call.expect("a request");
            match is_first {
                true => respond.send_reset(Reason::REFUSED_STREAM),
                false => respond_with(respond, Code::NotFound),
            }
            is_first = false;
        }
    });
    let mut client = Client::new(Channel::new(&target(&address)));
    let status = client.unary(tonic::Request::new(String::new())).await.expect_err("it fails");
    assert_eq!(status.code(), Code::NotFound, "{status}");
    assert!(status.metadata().get(PREVIOUS_ATTEMPTS).is_none());
    server.abort();
}

#[tokio::test]
async fn a_response_of_headers_only_with_ok_counts_as_a_success() {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let mut server = accept(&listener, 100).await;
        while let Some(call) = server.accept().await {
            let (request, respond) = call.expect("a request");
            let is_repeat = request.uri().path() == "/test.Echo/Repeat";
            respond_with(respond, if is_repeat { Code::Ok } else { Code::Unavailable });
        }
    });
    let mut client = Client::new(Channel::new(&target(&address)));
    let previous_attempts = async |client: &mut Client| {
        let status = client.unary(tonic::Request::new(String::new())).await.expect_err("it fails");
        status.metadata().get(PREVIOUS_ATTEMPTS).map(|text| text.as_encoded_bytes().to_vec())
    };
    assert_eq!(previous_attempts(&mut client).await.as_deref(), Some(&b"4"[..]));
    // The five failures leave five tokens of ten, and no retry with this one.
    assert_eq!(previous_attempts(&mut client).await, None);
    for _ in 0..21 {
        let mut messages = client.repeat("").await.expect("a response");
        assert!(messages.next().await.is_none());
    }
    // Of 6.1 tokens the failure takes one, and 5.1 allow one retry.
    assert_eq!(previous_attempts(&mut client).await.as_deref(), Some(&b"1"[..]));
    server.abort();
}

#[tokio::test]
async fn an_encoded_message_is_sent_as_it_is_and_its_server_is_named() {
    let server = EchoServer::start().await;
    let request = Request::post("/test.Echo/Unary").header("content-type", "application/grpc");
    let (head, ()) = request.body(()).expect("a request").into_parts();
    // Field 1 with one octet, and the prefix of five.
    let message = Bytes::from_static(b"\0\0\0\0\x03\x0a\x01a");
    let mut peer = None;
    let channel = server.channel();
    let response = channel.send_encoded(&head, message, LONG, &mut peer).await;
    let body = response.expect("a response").into_body().collect().await.expect("no error");
    assert_eq!(body.to_bytes(), "\0\0\0\0\x0d\x0a\x0breply for a");
    assert!(peer.is_some());
}
