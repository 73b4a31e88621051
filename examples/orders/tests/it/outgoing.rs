//! The call to the greeter.

use std::time::Duration;

use tonic::{Code, Request};

use crate::support::{InProcess, client, get, greeter, place};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn an_outgoing_call_inherits_deadline_request_id_and_trace() {
    let (greeter, mut calls) = greeter::start();
    let greeter = [("service.greeter.address", greeter.address.as_str())];
    let server = InProcess::start(&[&greeter[..], &[("service.greeter.timeout", "1h")]].concat());
    let mut client = client(&server.address).await;
    let mut request = Request::new(place("tea", 1));
    request.set_timeout(Duration::from_secs(20));
    request.metadata_mut().insert("x-request-id", "request-7".parse().expect("ASCII"));
    request.metadata_mut().insert("traceparent", TRACEPARENT.parse().expect("ASCII"));
    client.place_order(request).await.expect("it is placed");

    let received = calls.recv().await.expect("a call");
    assert_eq!(received.get("x-request-id").expect("an id"), "request-7");
    assert_eq!(received.get("traceparent").expect("a trace"), TRACEPARENT);
    let timeout = timeout(received.get("grpc-timeout").expect("a timeout").to_str().expect("text"));
    let range = Duration::from_secs(10)..=Duration::from_secs(20);
    assert!(range.contains(&timeout), "{timeout:?}");
    assert!(received.get("authorization").is_none(), "the token is not for the greeter");
}

#[tokio::test]
async fn a_channel_of_the_settings_has_a_timeout_of_its_own() {
    let (greeter, mut calls) = greeter::start();
    let greeter = [("service.greeter.address", greeter.address.as_str())];
    let server = InProcess::start(&[&greeter[..], &[("service.greeter.timeout", "2s")]].concat());
    client(&server.address).await.place_order(place("tea", 1)).await.expect("it is placed");
    let received = calls.recv().await.expect("a call");
    let timeout = timeout(received.get("grpc-timeout").expect("a timeout").to_str().expect("text"));
    assert!(timeout <= Duration::from_secs(2), "{timeout:?}");
}

#[tokio::test]
async fn an_unreachable_greeter_fails_only_the_method_that_needs_it() {
    let server = InProcess::start(&[("service.greeter.address", "127.0.0.1:1")]);
    let mut client = client(&server.address).await;
    let status = client.place_order(place("tea", 1)).await.expect_err("there is no greeter");
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().starts_with("the greeter failed"), "{status}");
    let status = client.get_order(get(1)).await.expect_err("nothing was placed");
    assert_eq!(status.code(), Code::NotFound);
}

/// Returns the value of `grpc-timeout`.
fn timeout(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.len() - 1);
    let number: u64 = number.parse().expect("a number");
    match unit {
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        unit => panic!("an unexpected unit {unit}"),
    }
}
