//! Log records, as a collector receives them beside the log on standard output.

use std::{net::TcpListener, sync::atomic::Ordering::Relaxed};

use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    support::{
        collector::{Collected, CollectedRecord, Collector, hex},
        frames::{Frames, GRPC, MALFORMED, NOT_FOUND, UNIMPLEMENTED, serve_counted},
        http1::request,
        metrics::{METRICS, wait_until},
        process::{NEVER, ServerProcess, event, unused_address},
        test_service,
        wire::{Caller, message, text},
    },
    telemetry::admin::{TOKEN, token},
};

const ANY: &str = "127.0.0.1:0";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Starts a server that sends log records at once, so that the tests do not wait for them.
fn logged_to(url: &str, settings: &[(&str, &str)], arguments: &[&str]) -> ServerProcess {
    let logged = [("SAMPLE__LOG__ENDPOINT", url), ("OTEL_BLRP_SCHEDULE_DELAY", "10")];
    ServerProcess::with(&[&logged[..], settings].concat(), arguments)
}

async fn call(server: &ServerProcess, headers: &[(&str, &str)]) {
    let mut caller = Caller::connect(&server.address).await;
    let response = caller.call(headers, message(false, &text("hello"))).await;
    assert_eq!(response.code(), tonic::Code::Ok);
}

/// Checks that a record has what the line of the log has.
#[track_caller]
fn assert_same(record: &CollectedRecord, line: &Value) {
    assert_eq!(line["level"], record.record.severity_text);
    assert_eq!(line["message"], record.body());
    let mut fields = line.as_object().expect("an object").clone();
    for not_an_attribute in ["timestamp", "level", "message", "trace_id"] {
        fields.remove(not_an_attribute);
    }
    let attributes = record.record.attributes.iter().map(|attribute| {
        let value = match attribute.value.clone().and_then(|value| value.value) {
            Some(Attribute::StringValue(text)) => text.into(),
            Some(Attribute::IntValue(number)) => number.into(),
            Some(Attribute::DoubleValue(number)) => number.into(),
            Some(Attribute::BoolValue(value)) => value.into(),
            other => panic!("{}: {other:?}", attribute.key),
        };
        (attribute.key.clone(), value)
    });
    assert_eq!(attributes.collect::<serde_json::Map<_, _>>(), fields);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_a_record_of_its_span_with_the_fields_of_its_line() {
    let (collector, url) = Collector::start_with_logs(ANY).await;
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_SERVICE_NAME", "orders"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "10"),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
    ];
    let server = ServerProcess::with(&settings, &[]);
    call(&server, &[("grpc-timeout", "7S"), ("x-request-id", "order-7")]).await;
    let record = collector.record("call").await;
    assert_same(&record, &server.wait_for_event("call"));
    assert_eq!(record.value("request_id"), Some(Attribute::StringValue("order-7".to_owned())));
    assert_eq!(record.record.severity_number, 9, "INFO");
    assert_eq!((&*record.service, &*record.scope), ("orders", "chassis::telemetry::call_record"));

    let is_calls = |span: &Collected| span.span.name == "SampleService/Call";
    let span = collector.span(is_calls).await.span;
    assert_eq!(hex(&record.record.trace_id), hex(&span.trace_id));
    assert_eq!(hex(&record.record.span_id), hex(&span.span_id));
    assert_eq!(record.record.flags, 1, "sampled");
    let end = span.end_time_unix_nano;
    assert!(record.record.time_unix_nano.abs_diff(end) < NEVER.as_nanos() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_a_span_is_of_the_callers_span() {
    let (collector, url) = Collector::start_with_logs(ANY).await;
    let server = logged_to(&url, &[], &[]);
    call(&server, &[("traceparent", &format!("00-{TRACE}-{PARENT}-01"))]).await;
    let record = collector.record("call").await.record;
    assert_eq!((hex(&record.trace_id), hex(&record.span_id)), (TRACE.into(), PARENT.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_the_log_is_a_record_with_the_same_fields() {
    let (collector, url) = Collector::start_with_logs(ANY).await;
    let server = logged_to(&url, &[], &[]);
    server.process.signal(Signal::TERM);
    let (status, lines) = server.process.wait();
    assert_eq!(status.code(), Some(0));
    for message in ["lame duck", "draining", "drained"] {
        let line = lines.iter().map(|line| event(line)).find(|line| line["message"] == message);
        assert_same(&collector.record(message).await, &line.expect("a line"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_within_a_call_is_a_record_of_the_calls_span() {
    let (collector, url) = Collector::start_with_logs(ANY).await;
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_BLRP_SCHEDULE_DELAY", "10"),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
    ];
    let server = test_service::start(&settings);
    let mut caller = Caller::connect(&server.address).await;
    let headers = [("traceparent", &*format!("00-{TRACE}-{PARENT}-01"))];
    caller.call(&headers, message(false, &text("a message that makes the handler panic"))).await;
    let record = collector.record("panic").await;
    assert_eq!(record.record.severity_number, 17, "ERROR");
    assert_eq!(hex(&record.record.trace_id), TRACE);
    assert!(record.value("backtrace").is_some(), "{record:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_of_the_log_decides_which_records_are_sent() {
    let (collector, url) = Collector::start_with_logs(ANY).await;
    let (_folder, file) = token();
    let settings = [METRICS, ("SAMPLE__LOG__LEVEL", "info"), ("SAMPLE__ADMIN__TOKEN", &file)];
    let server = logged_to(&url, &settings, &[]);
    let filter = |level: &str| {
        let target = format!("/log?filter={level}&for=1h");
        let header = format!("authorization: Bearer {TOKEN}\r\n");
        let reply = request(&server.metrics_address, "PUT", &target, &header).expect("it");
        assert_eq!(reply.status, 200, "{}", reply.body);
    };
    filter("warn");
    call(&server, &[("x-request-id", "not logged")]).await;
    filter("info");
    call(&server, &[("x-request-id", "logged")]).await;
    server.process.signal(Signal::TERM);
    server.process.wait();
    let ids = collector.records().into_iter().filter_map(|record| record.value("request_id"));
    assert_eq!(ids.collect::<Vec<_>>(), [Attribute::StringValue("logged".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_have_no_line_have_no_record() {
    let (collector, url) = Collector::start_with_logs(ANY).await;
    let server = logged_to(&url, &[("SAMPLE__LOG__ACCESS", "errors")], &[]);
    call(&server, &[]).await;
    server.process.signal(Signal::TERM);
    server.process.wait();
    assert!(collector.records().iter().all(|record| record.body() != "call"));
    collector.record("drained").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_records_are_sent_after_the_drain() {
    let (collector, url) = Collector::start_with_logs(ANY).await;
    // Without the shutdown, they would be sent after an hour.
    let server = logged_to(&url, &[("OTEL_BLRP_SCHEDULE_DELAY", "3600000")], &[]);
    call(&server, &[]).await;
    assert_eq!(collector.records().len(), 0);
    server.process.signal(Signal::TERM);
    let (status, lines) = server.process.wait();
    assert_eq!(status.code(), Some(0));
    // They arrive by scope.
    let mut records = collector.records();
    records.sort_by_key(|record| record.record.time_unix_nano);
    let bodies: Vec<_> = records.iter().map(|record| record.body().to_owned()).collect();
    assert_eq!(bodies.last().map(String::as_str), Some("drained"), "{bodies:?}");
    assert!(bodies.iter().any(|body| body == "call"), "{bodies:?}");
    assert_eq!(event(lines.last().expect("lines"))["message"], "drained");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_record_is_sent_if_the_exporter_is_none() {
    let (collector, url) = Collector::start_with_logs(ANY).await;
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_LOGS_EXPORTER", "none")];
    let server = ServerProcess::with(&settings, &[]);
    call(&server, &[]).await;
    server.process.signal(Signal::TERM);
    server.process.wait();
    assert_eq!(collector.records().len(), 0);
    assert_ne!(collector.spans().len(), 0);
}

/// Without the filter, each record that is sent would cause records of HTTP/2.
#[tokio::test(flavor = "multi_thread")]
async fn the_export_causes_no_records_of_its_own() {
    let (collector, url) = Collector::start_with_logs(ANY).await;
    let server = logged_to(&url, &[("RUST_LOG", "trace")], &[]);
    call(&server, &[]).await;
    collector.record("call").await;
    call(&server, &[("x-request-id", "after the first batch")]).await;
    server.process.signal(Signal::TERM);
    server.process.wait();
    collector.record("drained").await;
    let of_export = |scope: &str| {
        let name = scope.split("::").next().unwrap_or_default();
        ["h2", "hyper", "hyper_util", "tonic", "tower"].contains(&name)
            || name.starts_with("opentelemetry")
    };
    let records = collector.records();
    let loops: Vec<_> = records.iter().filter(|record| of_export(&record.scope)).collect();
    assert!(loops.is_empty(), "{loops:#?}");
}

/// Returns the messages of the lines that are warnings or errors.
fn problems(lines: &[String]) -> Vec<String> {
    let lines = lines.iter().map(|line| event(line));
    let problems = lines.filter(|line| line["level"] == "WARN" || line["level"] == "ERROR");
    problems.map(|line| line["message"].as_str().expect("text").to_owned()).collect()
}

/// UNIMPLEMENTED is the status of a collector that has no service for log records.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_refuses_every_batch_is_warned_of_once() {
    for response in [&[GRPC, UNIMPLEMENTED][..], &[GRPC, NOT_FOUND, MALFORMED]] {
        let (address, exports) = serve_counted(Frames::only(response)).await;
        let server = logged_to(&format!("http://{address}"), &[], &[]);
        for expected in 1..=3 {
            call(&server, &[]).await;
            wait_until(|| exports.load(Relaxed) >= expected);
        }
        server.process.signal(Signal::TERM);
        let (status, lines) = server.process.wait();
        assert_eq!(status.code(), Some(0));
        let expected =
            ["log records cannot be sent: they are lost until they can", "log records were lost"];
        assert_eq!(problems(&lines), expected, "{lines:#?}");
    }
}

/// tonic panics in the export, which logs no lines. It is the first panic of the process, and
/// `tracing` asks once whether the line of panics is on.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_has_its_line_after_one_in_the_export() {
    let (address, exports) = serve_counted(Frames::only(&[GRPC, NOT_FOUND, MALFORMED])).await;
    let url = format!("http://{address}");
    let delay = ("OTEL_BLRP_SCHEDULE_DELAY", "10");
    let server = test_service::start(&[("SAMPLE__LOG__ENDPOINT", &url), delay]);
    wait_until(|| exports.load(Relaxed) >= 1);
    server.wait_for_event("log records cannot be sent: they are lost until they can");
    let mut caller = Caller::connect(&server.address).await;
    caller.call(&[], message(false, &text("hello"))).await;
    assert_eq!(server.wait_for_event("panic")["cause"], test_service::SECRET);
}

/// The queue is bounded by its number of records.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_is_cut_in_its_record() {
    let (collector, url) = Collector::start_with_logs(ANY).await;
    let server = logged_to(&url, &[], &["--log-level", "debug"]);
    let mut caller = Caller::connect(&server.address).await;
    // Characters of three bytes, which are not cut in the middle.
    caller.call(&[], message(false, &text(&"€".repeat(10_000)))).await;
    collector.record("call").await;
    server.process.signal(Signal::TERM);
    server.process.wait();
    let records = collector.records();
    let request = records.iter().find(|record| record.body().starts_with("request : "));
    assert_eq!(request.expect("a record").body().len(), 8 * 1024 - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_of_traces_alone_still_gets_spans() {
    let (collector, url) = Collector::start().await;
    let server = ServerProcess::with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)], &[]);
    call(&server, &[]).await;
    server.process.signal(Signal::TERM);
    let (status, lines) = server.process.wait();
    assert_eq!(status.code(), Some(0));
    assert_ne!(collector.spans().len(), 0);
    let problems: Vec<_> = lines.iter().map(|line| event(line)).collect();
    for (message, status) in [
        ("log records cannot be sent: they are lost until they can", "Unimplemented"),
        ("metrics could not be sent", "UNIMPLEMENTED"),
    ] {
        let warning = problems.iter().find(|event| event["message"] == message);
        let error = warning.expect("a warning")["error"].to_string();
        assert!(error.contains(status), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_sent_again_when_the_collector_is_there() {
    let address = unused_address();
    let server = logged_to(&format!("http://{address}"), &[], &[]);
    server.wait_for_event("log records cannot be sent: they are lost until they can");
    let (collector, _) = Collector::start_with_logs(&address).await;
    wait_until(|| {
        server.run(&["call"]);
        !collector.records().is_empty()
    });
    server.wait_for_event("log records are sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_collector_delays_neither_calls_nor_the_shutdown() {
    let silent = TcpListener::bind(ANY).expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("it is bound"));
    // The exporter's own timeout would be an hour.
    let settings = [
        ("SAMPLE__SHUTDOWN__FLUSH", "200ms"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "2"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "1"),
    ];
    let server = logged_to(&url, &settings, &[]);
    for _ in 0..20 {
        call(&server, &[]).await;
    }
    server.process.signal(Signal::TERM);
    let start = std::time::Instant::now();
    let (status, lines) = server.process.wait();
    assert_eq!(status.code(), Some(0));
    assert!(start.elapsed() < NEVER / 4, "{:?}", start.elapsed());
    let events: Vec<_> = lines.iter().map(|line| event(line)).collect();
    let dropping = |event: &&Value| event["name"] == "BatchLogProcessor.LogDroppingStarted";
    assert_eq!(events.iter().filter(dropping).count(), 1, "{lines:#?}");
    let lost = events.iter().find(|event| event["message"] == "log records were lost");
    let lost = lost.expect("a warning")["lost"].as_str().expect("text").to_owned();
    let count: usize = lost.split(' ').next().expect("a number").parse().expect("a number");
    assert!(count > 20, "{lost}");
}
