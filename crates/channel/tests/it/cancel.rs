//! The end of streaming calls before the end of their requests.

use std::{future::poll_fn, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use h2::Reason;
use http::Response;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, body::Body};
use tower::Service;

use crate::support::{Client, EchoServer, LONG, accept, listen, target};

#[tokio::test]
async fn a_cancelled_call_resets_the_stream_and_drops_the_request() {
    let (listener, address) = listen().await;
    for has_response in [false, true] {
        let (messages, stream) = mpsc::channel::<String>(1);
        let mut client = Client::new(channel::Channel::new(&target(&address)));
        let call = tokio::spawn(async move {
            let request = Request::new(ReceiverStream::new(stream));
            let _responses = client.exchange("Echo", request).await;
            std::future::pending::<()>().await;
        });
        let mut server = accept(&listener, 100).await;
        let (_request, mut respond) = server.accept().await.expect("a call").expect("a request");
        let _driver = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
            while server.accept().await.is_some() {}
        }));
        let mut body = None;
        if has_response {
            let response = Response::builder().header("content-type", "application/grpc").body(());
            let sent = respond.send_response(response.expect("a response"), false);
            body = Some(sent.expect("in flight"));
        }
        messages.send("a message".to_owned()).await.expect("the call");
        call.abort();
        let reset = poll_fn(|cx| match &mut body {
            Some(body) => body.poll_reset(cx),
            None => respond.poll_reset(cx),
        });
        let reason = timeout(LONG, reset).await.expect("a reset").expect("no error");
        assert_eq!(reason, Reason::CANCEL);
        timeout(LONG, messages.closed()).await.expect("the request stream is dropped");
    }
}

#[tokio::test]
async fn a_response_that_ends_drops_the_request() {
    let server = EchoServer::start().await;
    let mut client = Client::new(server.channel());
    let (messages, stream) = mpsc::channel(1);
    let request = Request::new(ReceiverStream::new(stream));
    let status = client.exchange("Refuse", request).await.expect_err("it is refused");
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "refused"));
    timeout(LONG, messages.closed()).await.expect("the request stream is dropped");
}

#[tokio::test]
async fn trailers_reset_the_stream_and_drop_the_request() {
    let (listener, address) = listen().await;
    let mut client = Client::new(channel::Channel::new(&target(&address)));
    let (messages, stream) = mpsc::channel::<String>(1);
    let serve = async {
        let mut server = accept(&listener, 100).await;
        let (request, mut respond) = server.accept().await.expect("a call").expect("a request");
        let response = Response::builder().header("content-type", "application/grpc").body(());
        let sent = respond.send_response(response.expect("a response"), false);
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().expect("a value"));
        sent.expect("in flight").send_trailers(trailers).expect("in flight");
        let driver = tokio::spawn(async move { while server.accept().await.is_some() {} });
        (request, driver)
    };
    let request = Request::new(ReceiverStream::new(stream));
    let (responses, (request, _driver)) = tokio::join!(client.exchange("Echo", request), serve);
    let mut responses = responses.expect("a response");
    assert_eq!(responses.message().await.expect("no error"), None);
    timeout(LONG, messages.closed()).await.expect("the request stream is dropped");
    // The client still holds its half of the response.
    let end = timeout(LONG, request.into_body().data()).await.expect("a reset");
    assert_eq!(end.and_then(|end| end.expect_err("a reset").reason()), Some(Reason::CANCEL));
    drop(responses);
}

#[tokio::test]
async fn a_request_that_fails_ends_the_call_with_its_status() {
    let server = EchoServer::start().await;
    let mut channel = server.channel();
    let echo = server.echo.clone();
    let frames = stream::once(async move {
        echo.called().await;
        Err::<Frame<Bytes>, _>(Status::data_loss("the file is gone"))
    });
    let request = http::Request::post("/test.Echo/Join")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(StreamBody::new(frames.boxed())));
    let call = channel.call(request.expect("a request"));
    let status = timeout(LONG, call).await.expect("an end").expect_err("a failure");
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "the file is gone"));
}

#[tokio::test]
async fn a_streaming_call_ends_at_the_deadline_that_its_caller_sets() {
    let server = EchoServer::start().await;
    let mut client = Client::new(server.channel().without_deadline());
    let (messages, stream) = mpsc::channel::<String>(1);
    let mut request = Request::new(ReceiverStream::new(stream));
    request.set_timeout(Duration::from_millis(200));
    let mut responses = client.exchange("Echo", request).await.expect("a response");
    let status = timeout(LONG, responses.message()).await.expect("an end").expect_err("late");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    timeout(LONG, messages.closed()).await.expect("the request stream is dropped");
}

#[tokio::test]
async fn a_request_resets_the_stream_at_the_deadline_although_the_response_is_not_read() {
    let server = EchoServer::start().await;
    let mut client = Client::new(server.channel().without_deadline());
    let (messages, stream) = mpsc::channel::<String>(1);
    let mut request = Request::new(ReceiverStream::new(stream));
    request.set_timeout(Duration::from_millis(200));
    let _responses = client.exchange("Echo", request).await.expect("a response");
    timeout(LONG, messages.closed()).await.expect("the request stream is dropped");
}

#[tokio::test]
async fn a_request_stream_that_panics_ends_the_call() {
    let server = EchoServer::start().await;
    let echo = server.echo.clone();
    let messages = stream::once(async move {
        echo.called().await;
        if true {
            panic!("a bug");
        }
        String::new()
    });
    let call = Client::new(server.channel()).send_all("Join", messages).await;
    let status = call.expect_err("a failure");
    assert_eq!((status.code(), status.message()), (Code::Internal, "the request stream panicked"));
}
