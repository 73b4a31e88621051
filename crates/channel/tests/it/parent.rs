//! Calls on behalf of an incoming call.

use std::time::Duration;

use channel::{Channel, Target};
use http::HeaderValue;
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tokio::time::Instant;
use tonic::{Code, Request};
use wire::{
    parent::ParentCall,
    trace::{TraceSettings, Tracing},
};

use crate::support::{Client, EchoServer, LONG, target};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn parent(timeout: Option<Duration>) -> ParentCall {
    ParentCall {
        deadline: timeout.map(|timeout| Instant::now() + timeout),
        request_id: HeaderValue::from_static("the-parent"),
        trace: Context::new(),
        traceparent: Some(HeaderValue::from_static(TRACEPARENT)),
    }
}

fn request(parent: ParentCall) -> Request<String> {
    let mut request = Request::new("hello".to_owned());
    request.extensions_mut().insert(parent);
    request
}

#[tokio::test]
async fn a_call_without_tracing_passes_on_the_request_id_and_the_traceparent() {
    let server = EchoServer::start().await;
    let mut client = Client::new(server.channel());
    client.unary(request(parent(None))).await.expect("a response");
    let headers = server.echo.last_headers();
    assert_eq!(headers["x-request-id"], "the-parent");
    assert_eq!(headers["traceparent"], TRACEPARENT);
}

#[tokio::test]
async fn the_request_id_of_the_request_itself_wins() {
    let server = EchoServer::start().await;
    let mut request = request(parent(None));
    request.metadata_mut().insert("x-request-id", "its-own".parse().expect("ASCII"));
    Client::new(server.channel()).unary(request).await.expect("a response");
    assert_eq!(server.echo.last_headers()["x-request-id"], "its-own");
}

#[tokio::test]
async fn a_call_has_no_more_time_than_its_parent() {
    let server = EchoServer::start().await;
    for channel in [server.channel(), server.channel().without_deadline()] {
        let mut client = Client::new(channel);
        client.unary(request(parent(Some(LONG / 2)))).await.expect("a response");
        let headers = server.echo.last_headers();
        let timeout = headers["grpc-timeout"].to_str().expect("ASCII");
        let microseconds: u64 = timeout.trim_end_matches('u').parse().expect("a number");
        assert!(u128::from(microseconds) <= (LONG / 2).as_micros(), "{timeout}");
    }
}

#[tokio::test]
async fn a_call_whose_parent_has_reached_its_deadline_is_not_sent() {
    let server = EchoServer::start().await;
    let mut client = Client::new(server.channel());
    let status = client.unary(request(parent(Some(Duration::ZERO)))).await.expect_err("late");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("parent"), "{status}");
    assert!(server.echo.headers.lock().expect("no panic").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_span_of_a_call_is_a_child_of_its_parent() {
    let server = EchoServer::start().await;
    // No collector listens there. The spans are dropped.
    let settings = TraceSettings { endpoint: "http://127.0.0.1:1".to_owned(), sample: 0.0 };
    let tracing = Tracing::start(&settings, "test", "1").expect("an exporter");
    let channel = Channel::new(&Target { tracing: Some(tracing), ..target(&server.address) });
    let trace = TraceId::from_hex("4bf92f3577b34da6a3ce929d0e0e4736").expect("hexadecimal");
    let span = SpanId::from_hex("00f067aa0ba902b7").expect("hexadecimal");
    let context = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default());
    let parent =
        ParentCall { trace: Context::new().with_remote_span_context(context), ..parent(None) };
    Client::new(channel).unary(request(parent)).await.expect("a response");
    let headers = server.echo.last_headers();
    let traceparent = headers["traceparent"].to_str().expect("ASCII");
    assert!(traceparent.starts_with(&format!("00-{trace}-")), "{traceparent}");
    assert!(!traceparent.contains(&span.to_string()), "{traceparent}");
    assert!(traceparent.ends_with("-01"), "the parent is sampled: {traceparent}");
}
