//! HTTP/1.1 within the same limits as HTTP/2.

use rustix::process::Signal;

use crate::support::{
    in_process::InProcess,
    metrics::{METRICS, scrape, wait_until},
    process::ServerProcess,
    web::Http1,
};

const REPLY: &str = r#"{"reply":"reply for hi"}"#;

fn hi() -> String {
    r#"{"message":"hi"}"#.to_owned()
}

/// Waits until a connection was ended for this reason.
fn assert_ended_for(server: &ServerProcess, reason: &str) {
    let series = format!("chassis_connections_abused_total{{reason=\"{reason}\"}}");
    wait_until(|| scrape(&server.metrics_address)[&series] == 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_is_closed() {
    let settings =
        [METRICS, ("SAMPLE__LIMITS__STALLED", "300ms"), ("SAMPLE__LIMITS__MESSAGE", "16MiB")];
    let server = ServerProcess::with(&settings, &[]);
    let mut client = Http1::connect(&server.address).await;
    // The response is larger than the buffers of the kernel.
    client.call("", &format!("{{\"message\":\"{}\"}}", "x".repeat(15_000_000))).await;
    assert_eq!(server.wait_for_event("call")["code"], "RESOURCE_EXHAUSTED");
    let series = "chassis_responses_unread_total{reason=\"stalled\"}";
    wait_until(|| scrape(&server.metrics_address)[series] == 1.0);
    assert!(client.rest().await < 15_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_arrive_in_time_ends_its_connection() {
    let server = ServerProcess::with(&[METRICS, ("SAMPLE__LIMITS__HANDSHAKE", "200ms")], &[]);
    let mut slow = Http1::connect(&server.address).await;
    slow.send("POST /SampleService/Call HTTP/1.1\r\n").await;
    slow.rest().await;
    assert_ended_for(&server, "handshake_timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_and_not_counted_as_abused() {
    let server = ServerProcess::with(&[METRICS, ("SAMPLE__LIMITS__HANDSHAKE", "300ms")], &[]);
    let mut client = Http1::connect(&server.address).await;
    client.call("", &hi()).await;
    assert_eq!(client.response().await.body, REPLY);
    assert_eq!(client.rest().await, 0);
    let series = "chassis_connections_abused_total{reason=\"handshake_timeout\"}";
    assert_eq!(scrape(&server.metrics_address)[series], 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_431() {
    let server = ServerProcess::with(&[METRICS], &[]);
    for headers in [
        format!("x-large: {}\r\n", "x".repeat(20_000)),
        (0..200).map(|at| format!("x-{at}: 1\r\n")).collect(),
    ] {
        let mut client = Http1::connect(&server.address).await;
        client.call(&headers, &hi()).await;
        assert_eq!(client.response().await.status, 431);
        client.rest().await;
    }
    let series = "chassis_requests_refused_total{reason=\"header_list\"}";
    wait_until(|| scrape(&server.metrics_address)[series] == 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_needs_more_memory_than_the_budget_gets_429() {
    let settings = [("SAMPLE__LIMITS__MEMORY", "16MiB"), ("SAMPLE__LIMITS__CONNECTIONS", "100")];
    let server = ServerProcess::with(&settings, &[]);
    let mut client = Http1::connect(&server.address).await;
    // Half a million values of 32 bytes each.
    client.call("", &format!("{{\"message\":[{}0]}}", "0,".repeat(500_000))).await;
    let response = client.response().await;
    assert_eq!((response.status, response.header("retry-after")), (429, Some("1")), "{response:?}");
    // The connection stays open, and the memory is free again.
    client.call("", &hi()).await;
    assert_eq!(client.response().await.body, REPLY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_429_with_the_time_to_try_again() {
    let changes = [("server.max_workers", "1"), ("queue.length", "0"), ("service.work", "1h")];
    let server = InProcess::start(&changes).await;
    let mut first = Http1::connect(&server.address).await;
    first.call("", &hi()).await;
    let mut second = Http1::connect(&server.address).await;
    let response = loop {
        // The second call can be handled before the first, and then times out (504).
        second.call("connect-timeout-ms: 50\r\n", &hi()).await;
        let response = second.response().await;
        if response.status != 504 {
            break response;
        }
    };
    assert_eq!(response.status, 429, "{response:?}");
    assert!(response.body.contains("resource_exhausted") && response.body.contains("RetryInfo"));
    let seconds = response.header("retry-after").and_then(|value| value.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0), "{response:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_cancels_its_call() {
    let server = ServerProcess::with(&[("SAMPLE__LOG__FORMAT", "json")], &["--work", "1h"]);
    let mut client = Http1::connect(&server.address).await;
    client.call("x-request-id: the-call\r\nconnect-timeout-ms: 60000\r\n", &hi()).await;
    // The server reads the call before it reads the end of the connection.
    drop(client);
    let line = server.wait_for_event("call");
    assert_eq!((&line["code"], &line["request_id"]), (&"CANCELLED".into(), &"the-call".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_gives_way_at_the_limit() {
    let changes = [("limits.connections", "1"), ("limits.connections_per_peer", "0")];
    let server = InProcess::start(&changes).await;
    let mut first = Http1::connect(&server.address).await;
    first.call("", &hi()).await;
    first.response().await;
    let mut second = Http1::connect(&server.address).await;
    second.call("", &hi()).await;
    assert_eq!(second.response().await.body, REPLY);
    assert_eq!(first.rest().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lame_duck_closes_after_the_next_response() {
    let settings = [("SAMPLE__SHUTDOWN__LAME_DUCK", "1h")];
    let server = ServerProcess::with(&settings, &[]);
    let mut client = Http1::connect(&server.address).await;
    client.call("", &hi()).await;
    assert_eq!(client.response().await.header("connection"), None);
    server.process.signal(Signal::TERM);
    server.wait_for_event("lame duck");
    let responses = loop {
        client.call("", &hi()).await;
        let response = client.response().await;
        assert_eq!(response.body, REPLY);
        // The server closes connections within the first seconds of the lame duck time.
        if response.header("connection").is_some() {
            break response;
        }
    };
    assert_eq!(responses.header("connection"), Some("close"));
    assert_eq!(client.rest().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_idle_connections_and_finishes_calls() {
    let changes = [("service.work", "300ms"), ("shutdown.lame_duck", "0s")];
    let server = InProcess::start(&changes).await;
    let (mut idle, mut busy) =
        (Http1::connect(&server.address).await, Http1::connect(&server.address).await);
    idle.call("", &hi()).await;
    idle.response().await;
    busy.call("", &hi()).await;
    // The call of `busy` is still read, because the drain waits a second for a connection that has
    // not begun HTTP.
    server.shutdown.send("test").await.expect("it runs");
    assert_eq!(busy.response().await.body, REPLY);
    assert_eq!((idle.rest().await, busy.rest().await), (0, 0));
    let report = server.report.await.expect("no panic").expect("no error");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.finished, 1, "{report:?}");
}

/// Returns the JSON of a message whose response does not fit into the buffers of the kernel.
fn large() -> String {
    format!("{{\"message\":\"{}\"}}", "x".repeat(12_000_000))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_its_client_still_reads_does_not_give_way() {
    let changes = [
        ("limits.connections", "1"),
        ("limits.connections_per_peer", "0"),
        ("limits.message", "16MiB"),
    ];
    let server = InProcess::start(&changes).await;
    let mut first = Http1::connect(&server.address).await;
    first.call("", &large()).await;
    let mut second = Http1::connect(&server.address).await;
    assert_eq!(second.rest().await, 0);
    assert!(first.response().await.body.len() > 12_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_not_read_ends_at_the_deadline() {
    let server = ServerProcess::with(&[METRICS, ("SAMPLE__LIMITS__MESSAGE", "16MiB")], &[]);
    let mut client = Http1::connect(&server.address).await;
    client.call("connect-timeout-ms: 2000\r\n", &large()).await;
    assert_eq!(server.wait_for_event("call")["code"], "DEADLINE_EXCEEDED");
    let series = "chassis_responses_unread_total{reason=\"deadline\"}";
    wait_until(|| scrape(&server.metrics_address)[series] == 1.0);
    assert!(client.rest().await < 12_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_it_has_read_cancels_its_call() {
    let server = ServerProcess::with(&[("SAMPLE__LIMITS__MESSAGE", "16MiB")], &[]);
    let mut client = Http1::connect(&server.address).await;
    client.call("", &large()).await;
    drop(client);
    assert_eq!(server.wait_for_event("call")["code"], "CANCELLED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_on_its_way_when_the_drain_began_is_served() {
    let server = InProcess::start(&[("shutdown.lame_duck", "0s")]).await;
    let mut late = Http1::connect(&server.address).await;
    let mut idle = Http1::connect(&server.address).await;
    // Connections are accepted in order, so the response to the second shows that the first is too.
    idle.call("", &hi()).await;
    idle.response().await;
    server.shutdown.send("test").await.expect("it runs");
    assert_eq!(idle.rest().await, 0);
    late.call("", &hi()).await;
    assert_eq!(late.response().await.body, REPLY);
    let report = server.report.await.expect("no panic").expect("no error");
    assert!(report.is_clean(), "{report:?}");
}
