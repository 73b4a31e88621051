//! Requests that are refused before they become calls are counted by reason, and logged.

use std::collections::BTreeMap;

use http::Request;

use crate::support::{
    http1,
    metrics::{METRICS, scrape},
    process::ServerProcess,
};

pub(super) const CALL: &str = "/SampleService/Call";

/// Returns how many requests were refused, by reason. Reasons without requests are left out.
pub(super) fn refused(server: &ServerProcess) -> BTreeMap<String, f64> {
    let name = "chassis_requests_refused_total{reason=\"";
    let series = scrape(&server.metrics_address).into_iter();
    let series =
        series.filter_map(|(series, count)| Some((series.strip_prefix(name)?.to_owned(), count)));
    series
        .filter(|(_, count)| *count > 0.0)
        .map(|(reason, count)| (reason.replace("\"}", ""), count))
        .collect()
}

pub(super) fn counts<const N: usize>(counts: [(&str, f64); N]) -> BTreeMap<String, f64> {
    counts.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect()
}

pub(super) async fn wait_for_line(server: &ServerProcess, reason: &str) {
    let event = server.wait_for_event("a request was refused");
    assert_eq!((&event["level"], &event["reason"]), (&"DEBUG".into(), &reason.into()));
    assert!(event["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_grpc_are_counted_by_reason_and_logged_at_debug() {
    let server = ServerProcess::with(&[METRICS], &["--log-level", "debug"]);
    assert_eq!(refused(&server), counts([]));
    let tcp = tokio::net::TcpStream::connect(&server.address).await.expect("a server");
    let (mut h2, connection) = h2::client::handshake(tcp).await.expect("HTTP/2");
    tokio::spawn(connection);
    let grpc = "application/grpc";
    for (method, content_type, status, reason) in [
        ("POST", "text/plain", 415, "content_type"),
        ("POST", "application/grpc-web+json", 415, "content_type"),
        ("GET", grpc, 405, "method"),
        ("PUT", "text/plain", 405, "method"),
    ] {
        let request = Request::builder().method(method).uri(format!("http://test{CALL}"));
        let request = request.header("content-type", content_type);
        let (response, _) = h2.send_request(request.body(()).expect("valid"), true).expect("sent");
        let response = response.await.expect("a response");
        assert_eq!(response.status(), status);
        // A client of gRPC gets a status too.
        let is_grpc = status == 405 && content_type == grpc;
        let of = |name| response.headers().get(name).map(|value| value.to_str().expect("text"));
        assert_eq!(of("grpc-status"), is_grpc.then_some("13"), "{method} {content_type}");
        let expected = if is_grpc { grpc } else { "text/plain; charset=utf-8" };
        assert_eq!(of("content-type"), Some(expected), "{method} {content_type}");
        assert_eq!(of("allow"), (status == 405).then_some("POST"), "{method} {content_type}");
        wait_for_line(&server, reason).await;
    }
    let expected = counts([("content_type", 2.0), ("method", 2.0)]);
    assert_eq!(refused(&server), expected);
    let header = "content-type: application/grpc\r\n";
    let reply = http1::request(&server.address, "GET", "/", header).expect("a response");
    assert_eq!(reply.status, 505);
    wait_for_line(&server, "http_version").await;
    assert_eq!(refused(&server)["http_version"], 1.0);
    // A refused request does not count as a call.
    let started = scrape(&server.metrics_address);
    let started = started.iter().filter(|(series, _)| series.starts_with("grpc_server_started"));
    assert_eq!(started.map(|(_, count)| count).sum::<f64>(), 0.0);
}
