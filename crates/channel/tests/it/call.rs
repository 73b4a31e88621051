//! Attempts, retries and headers.

use std::time::Duration;

use bytes::Bytes;
use channel::{Channel, PREVIOUS_ATTEMPTS};
use h2::server::SendResponse;
use http::Response;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Code, Request};

use crate::support::{Client, EchoServer, accept, listen, target};

fn respond_with(mut respond: SendResponse<Bytes>, code: Code) {
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", (code as i32).to_string())
        .body(());
    respond.send_response(response.expect("a response"), true).expect("in flight");
}

#[tokio::test]
async fn a_channel_from_settings_calls_its_server() {
    let server = EchoServer::start().await;
    let settings = json!({ "address": server.address, "timeout": "60s", "ca": "" });
    let settings = serde_json::from_value(settings).expect("valid");
    let agent = channel::user_agent("orders", "1.0");
    let channel = Channel::from_settings(&settings, agent, None).expect("no files");
    Client::new(channel).unary(Request::new("hello".to_owned())).await.expect("a response");
    assert_eq!(server.echo.last_headers()["user-agent"], "orders/1.0");
}

#[tokio::test]
async fn the_shorter_of_both_timeouts_is_sent() {
    let server = EchoServer::start().await;
    let mut client = Client::new(server.channel());
    for (seconds, max) in [(10, 10), (1000, 60)] {
        let mut request = Request::new("hello".to_owned());
        request.set_timeout(Duration::from_secs(seconds));
        client.unary(request).await.expect("a response");
        let headers = server.echo.last_headers();
        let timeout = headers["grpc-timeout"].to_str().expect("ASCII");
        let microseconds: u64 = timeout.trim_end_matches('u').parse().expect("a number");
        assert!(microseconds <= max * 1_000_000, "{timeout}");
        assert!(microseconds > (max - 5) * 1_000_000, "{timeout}");
    }
}

#[tokio::test]
async fn a_buffered_request_is_retried_and_a_streaming_one_is_not() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let mut server = accept(&listener, 100).await;
        while let Some(call) = server.accept().await {
            let (_, respond) = call.expect("a request");
            respond_with(respond, Code::Unavailable);
        }
    });
    let mut client = Client::new(Channel::new(&target(&address)));
    let status = client.unary(Request::new(String::new())).await.expect_err("it fails");
    assert_eq!(status.code(), Code::Unavailable);
    let previous = status.metadata().get(PREVIOUS_ATTEMPTS).expect("retries");
    assert_eq!(previous, "4");

    let (_messages, stream) = mpsc::channel(1);
    let request = Request::new(ReceiverStream::new(stream));
    let status = client.exchange("Echo", request).await.expect_err("it fails");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.metadata().get(PREVIOUS_ATTEMPTS).is_none());
}

#[tokio::test]
async fn a_stream_that_waits_for_a_permit_is_sent_whole_on_the_next_connection() {
    let (listener, address) = listen().await;
    let channel = Channel::new(&target(&address));
    let mut client = Client::new(channel.clone());
    let first = tokio::spawn(async move { client.unary(Request::new(String::new())).await });
    let mut server = accept(&listener, 1).await;
    let (_request, respond) = server.accept().await.expect("a call").expect("a request");

    let (messages, stream) = mpsc::channel(1);
    messages.send("a".to_owned()).await.expect("the stream");
    let mut client = Client::new(channel);
    let waiting =
        tokio::spawn(async move { client.send_all("Join", ReceiverStream::new(stream)).await });
    tokio::task::yield_now().await;
    server.graceful_shutdown();
    let _driver = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Some(call) = server.accept().await {
            assert!(call.is_err(), "a call after GOAWAY");
        }
    }));

    let mut server = accept(&listener, 1).await;
    let (request, respond_to_second) = server.accept().await.expect("a call").expect("a request");
    let _second_driver =
        AbortOnDropHandle::new(tokio::spawn(
            async move { while server.accept().await.is_some() {} },
        ));
    messages.send("b".to_owned()).await.expect("the call");
    drop(messages);
    let mut body = request.into_body();
    let mut received = Vec::new();
    while let Some(data) = body.data().await {
        received.extend_from_slice(&data.expect("data"));
    }
    // Each message is the field 1 of its type, with a prefix of five bytes.
    assert_eq!(received, b"\0\0\0\0\x03\x0a\x01a\0\0\0\0\x03\x0a\x01b");
    respond_with(respond_to_second, Code::NotFound);
    let status = waiting.await.expect("no panic").expect_err("the status of the server");
    assert_eq!(status.code(), Code::NotFound);
    respond_with(respond, Code::NotFound);
    let status = first.await.expect("no panic").expect_err("the status of the server");
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn an_invalid_request_fails_at_once_and_does_not_end_the_connection() {
    let server = EchoServer::start().await;
    let mut client = Client::new(server.channel());
    let mut invalid = Request::new("hello".to_owned());
    invalid.metadata_mut().insert("connection", "close".parse().expect("ASCII"));
    let status = client.unary(invalid).await.expect_err("HTTP/2 does not allow this header");
    assert_eq!(status.code(), Code::Internal, "{status}");
    assert!(client.unary(Request::new("hello".to_owned())).await.is_ok());
}
