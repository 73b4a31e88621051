//! Traces, as a collector receives them.

use std::sync::atomic::Ordering::Relaxed;

use opentelemetry_proto::tonic::trace::v1::{Status, span::SpanKind, status::StatusCode};
use rustix::process::Signal;

use crate::support::{
    collector::{Collected, Collector, hex},
    frames::{Frames, GRPC, MALFORMED, NOT_FOUND, serve_counted},
    metrics::wait_until,
    process::{NEVER, ServerProcess, command, event},
    scripted::{self, Scripted},
    test_service,
    wire::{Caller, Response, message, text},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Starts a server that sends spans at once, so that the tests do not wait for them.
fn traced_to(url: &str, settings: &[(&str, &str)], arguments: &[&str]) -> ServerProcess {
    let traced = [("SAMPLE__TRACING__ENDPOINT", url), ("OTEL_BSP_SCHEDULE_DELAY", "10")];
    ServerProcess::with(&[&traced[..], settings].concat(), arguments)
}

async fn call(server: &ServerProcess, headers: &[(&str, &str)]) -> Response {
    let mut caller = Caller::connect(&server.address).await;
    caller.call(headers, message(false, &text("hello"))).await
}

fn traceparent(sampled: bool) -> String {
    format!("00-{TRACE}-{PARENT}-{:02x}", u8::from(sampled))
}

fn is_of_the_service(span: &Collected) -> bool {
    span.span.name == "SampleService/Call"
}

/// tonic panics at the details of this status.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_responds_with_a_malformed_status_does_not_end_the_export() {
    let (address, exports) = serve_counted(Frames::only(&[GRPC, NOT_FOUND, MALFORMED])).await;
    let server = traced_to(&format!("http://{address}"), &[], &[]);
    for expected in 1..=3 {
        call(&server, &[]).await;
        wait_until(|| exports.load(Relaxed) >= expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_and_its_time_in_the_queue_are_spans_of_the_callers_trace() {
    let (collector, url) = Collector::start().await;
    let server = traced_to(&url, &[], &["--work", "50ms", "--max-workers", "1"]);
    let sampled = traceparent(true);
    let headers = [("traceparent", sampled.as_str()), ("tracestate", "vendor=value")];
    // The second waits for the first.
    tokio::join!(call(&server, &[]), call(&server, &[]), call(&server, &headers));

    let of_trace = |span: &Collected| hex(&span.span.trace_id) == TRACE;
    let span = collector.span(|span| is_of_the_service(span) && of_trace(span)).await;
    assert_eq!(span.service, "sample-service");
    assert_eq!(hex(&span.span.parent_span_id), PARENT);
    assert_eq!(span.span.trace_state, "vendor=value");
    assert_eq!(span.span.kind(), SpanKind::Server);
    assert_eq!(span.text("rpc.system.name").as_deref(), Some("grpc"));
    assert_eq!(span.text("rpc.method").as_deref(), Some("SampleService/Call"));
    assert_eq!(span.text("rpc.response.status_code").as_deref(), Some("OK"));
    assert_eq!(span.text("client.address").as_deref(), Some("127.0.0.1"));
    for absent in ["error.type", "rpc.system", "rpc.service"] {
        assert_eq!(span.text(absent), None, "{absent}");
    }
    assert_eq!(span.number("rpc.grpc.status_code"), None);
    assert_eq!(span.span.status.clone().unwrap_or_default(), Status::default());

    let queue = collector.span(|span| span.span.name == "queue" && of_trace(span)).await;
    assert_eq!(queue.span.parent_span_id, span.span.span_id);
    assert!(queue.span.start_time_unix_nano >= span.span.start_time_unix_nano);
    assert!(queue.nanoseconds() < span.nanoseconds());
    let waits: Vec<_> = collector.spans().into_iter().filter(|s| s.span.name == "queue").collect();
    assert!(waits.iter().any(|wait| wait.nanoseconds() > 10_000_000), "{waits:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_traceparents_begin_a_new_trace_and_several_tracestates_are_one_list() {
    let (collector, url) = Collector::start().await;
    let server = traced_to(&url, &[], &[]);
    let parent = traceparent(true);
    let state = [("tracestate", "a=1"), ("tracestate", "b=2,c=3"), ("tracestate", "d=4")];
    let first = [&[("traceparent", parent.as_str())][..], &state].concat();
    call(&server, &first).await;
    let span = collector.span(is_of_the_service).await;
    assert_eq!(hex(&span.span.trace_id), TRACE);
    assert_eq!(span.span.trace_state, "a=1,b=2,c=3,d=4");
    let other = parent.replace(PARENT, "00f067aa0ba902b7");
    let mut invalid = parent.clone();
    invalid.push_str("-more");
    for parents in [&[parent.as_str(), &other][..], &[&parent, &parent], &[&invalid]] {
        let before = collector.spans().into_iter().filter(is_of_the_service).count();
        let mut headers: Vec<_> = parents.iter().map(|parent| ("traceparent", *parent)).collect();
        headers.extend(state);
        call(&server, &headers).await;
        let is_new = |_: &Collected| {
            collector.spans().iter().filter(|span| is_of_the_service(span)).count() > before
        };
        collector.span(is_new).await;
        let spans = collector.spans();
        let span = spans.iter().rfind(|span| is_of_the_service(span)).expect("it is there");
        assert_ne!(hex(&span.span.trace_id), TRACE, "{parents:?}");
        assert_eq!((span.span.parent_span_id.len(), &*span.span.trace_state), (0, ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_server_is_a_span_with_an_error() {
    let (collector, url) = Collector::start().await;
    let server = traced_to(&url, &[], &["--work", "1h"]);
    call(&server, &[("grpc-timeout", "1m")]).await;
    let span = collector.span(is_of_the_service).await;
    for attribute in ["rpc.response.status_code", "error.type"] {
        assert_eq!(span.text(attribute).as_deref(), Some("DEADLINE_EXCEEDED"), "{attribute}");
    }
    let status = span.span.status.expect("a status");
    assert_eq!(status.code(), StatusCode::Error);
    assert_eq!(status.message, "DEADLINE_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_sampling_decision_wins_over_the_sample_ratio() {
    let (collector, url) = Collector::start().await;
    let server = traced_to(&url, &[("SAMPLE__TRACING__SAMPLE", "0.0")], &[]);
    call(&server, &[]).await;
    call(&server, &[("traceparent", &traceparent(false))]).await;
    call(&server, &[("traceparent", &traceparent(true))]).await;
    server.process.signal(Signal::TERM);
    server.process.wait();
    // All spans have been sent when the process has ended.
    let spans: Vec<_> = collector.spans().into_iter().filter(is_of_the_service).collect();
    let [span] = spans.as_slice() else { panic!("not one: {spans:#?}") };
    assert_eq!(hex(&span.span.parent_span_id), PARENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_spans_are_sent_after_the_drain() {
    let (collector, url) = Collector::start().await;
    // Without the shutdown, they would be sent after an hour.
    let settings =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "3600000")];
    let server = ServerProcess::with(&settings, &[]);
    server.run(&["health"]);
    call(&server, &[]).await;
    assert_eq!(collector.spans().len(), 0);
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.wait().0.code(), Some(0));
    // Health checks have no spans.
    let names: Vec<_> = collector.spans().into_iter().map(|span| span.span.name).collect();
    assert_eq!(names, ["queue", "SampleService/Call"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_collector_does_not_delay_the_shutdown() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("it is bound"));
    // The exporter's own timeout would be an hour.
    let settings =
        [("SAMPLE__SHUTDOWN__FLUSH", "200ms"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000")];
    let server = traced_to(&url, &settings, &[]);
    assert_eq!(call(&server, &[]).await.code(), tonic::Code::Ok);
    server.process.signal(Signal::TERM);
    let start = std::time::Instant::now();
    let (status, lines) = server.process.wait();
    assert_eq!(status.code(), Some(0));
    let warnings = lines.iter().map(|line| event(line)).filter(|event| event["level"] == "WARN");
    let warnings: Vec<_> = warnings.collect();
    let [warning] = &warnings[..] else { panic!("{lines:#?}") };
    assert_eq!(warning["message"], "spans were lost");
    // The span of the call, and that of its time in the queue if it had to wait.
    let lost = warning["lost"].as_str().expect("text");
    assert!(lost.contains(" could not be sent: "), "{lost}");
    assert!(start.elapsed() < NEVER / 4, "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_has_both_sides_of_a_call() {
    let (collector, url) = Collector::start().await;
    let server = traced_to(
        &url,
        &[("OTEL_SERVICE_NAME", "the server"), ("SAMPLE__LIMITS__MESSAGE", "10KiB")],
        &["--work", "1ms"],
    );
    let traced =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_SERVICE_NAME", "the client")];
    let call = |arguments: &[&str]| {
        let mut client = command(&[&["call"], arguments, &["--address", &server.address]].concat());
        client.envs(traced).output().expect("the binary runs")
    };
    let output = tokio::task::block_in_place(|| call(&[]));
    assert!(output.status.success(), "{output:?}");

    let client = collector.span(|span| span.service == "the client").await;
    assert_eq!(client.span.name, "SampleService/Call");
    assert_eq!(client.span.kind(), SpanKind::Client);
    assert_eq!(client.text("rpc.system.name").as_deref(), Some("grpc"));
    assert_eq!(client.text("rpc.method").as_deref(), Some("SampleService/Call"));
    assert_eq!(client.text("rpc.response.status_code").as_deref(), Some("OK"));
    assert_eq!(client.text("error.type"), None);
    let is_servers = |span: &Collected| span.service == "the server" && is_of_the_service(span);
    let on_the_server = collector.span(is_servers).await;
    assert_eq!(on_the_server.span.trace_id, client.span.trace_id);
    assert_eq!(on_the_server.span.parent_span_id, client.span.span_id);
    assert!(client.nanoseconds() >= on_the_server.nanoseconds());

    // A status that is not the server's failure is still an error for its caller.
    let too_large = "x".repeat(100_000);
    let output = tokio::task::block_in_place(|| call(&[&too_large]));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let refused = |span: &Collected| {
        span.text("rpc.response.status_code").as_deref() == Some("RESOURCE_EXHAUSTED")
    };
    let client = collector.span(|span| span.service == "the client" && refused(span)).await;
    assert_eq!(client.text("error.type").as_deref(), Some("RESOURCE_EXHAUSTED"));
    assert_eq!(client.span.status.expect("a status").code(), StatusCode::Error);
    let on_the_server = collector.span(|span| is_servers(span) && refused(span)).await;
    assert_eq!(on_the_server.text("error.type"), None);
    assert_eq!(on_the_server.span.status.unwrap_or_default(), Status::default());
}

/// Calls that the handler makes are then part of the trace too.
#[tokio::test(flavor = "multi_thread")]
async fn the_context_of_the_handler_has_the_trace_of_the_call() {
    let (_collector, url) = Collector::start().await;
    let server = test_service::start(&[("SAMPLE__TRACING__ENDPOINT", &url)]);
    let mut caller = Caller::connect(&server.address).await;
    let headers = [("traceparent", &*traceparent(true))];
    let response = caller.call(&headers, message(false, &text(test_service::TRACE))).await;
    assert_eq!(response.body, message(false, &text(TRACE)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_exceeded_within_the_response_is_the_status_of_the_clients_span() {
    let (collector, url) = Collector::start().await;
    let server = Scripted::start(&[scripted::Reaction::HeadAlone]).await;
    let mut call = command(&["call", "--timeout", "300ms", "--address", &server.address]);
    call.env("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    let output = tokio::task::block_in_place(|| call.output().expect("the binary runs"));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let span = collector.span(is_of_the_service).await;
    assert_eq!(span.text("error.type").as_deref(), Some("DEADLINE_EXCEEDED"));
    assert_eq!(span.span.status.expect("a status").message, "DEADLINE_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_the_trace_id_with_and_without_a_collector() {
    let (_collector, url) = Collector::start().await;
    let traced = traced_to(&url, &[], &[]);
    let untraced = ServerProcess::start(&[]);
    for server in [&traced, &untraced] {
        call(server, &[("traceparent", &traceparent(true))]).await;
        assert_eq!(server.wait_for_event("call")["trace_id"], TRACE);
        call(server, &[]).await;
        let begun_here = server.wait_for_event("call")["trace_id"].clone();
        assert_ne!(begun_here, TRACE);
        assert_eq!(begun_here.is_string(), server.address == traced.address);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rpc_dup_adds_the_attributes_of_the_conventions_before() {
    let (collector, url) = Collector::start().await;
    let both = [("OTEL_SEMCONV_STABILITY_OPT_IN", "http, rpc/dup,rpc")];
    let server = traced_to(&url, &both, &[]);
    call(&server, &[]).await;
    let span = collector.span(is_of_the_service).await;
    for (attribute, value) in [
        ("rpc.system.name", "grpc"),
        ("rpc.system", "grpc"),
        ("rpc.service", "SampleService"),
        ("rpc.method", "SampleService/Call"),
        ("rpc.response.status_code", "OK"),
    ] {
        assert_eq!(span.text(attribute).as_deref(), Some(value), "{attribute}");
    }
    assert_eq!(span.number("rpc.grpc.status_code"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_the_service_is_that_of_the_variables() {
    let attributes = "OTEL_RESOURCE_ATTRIBUTES";
    for (variables, name, team) in [
        (
            &[("OTEL_SERVICE_NAME", "orders"), (attributes, "service.name=other,team=a%2Cb")][..],
            "orders",
            Some("a,b"),
        ),
        (&[(attributes, "service.name=my%20orders")], "my orders", None),
        // Only the key `service.name` is the name.
        (&[(attributes, "peer.service.name=other,team=x")], "sample-service", Some("x")),
        (&[(attributes, "team=service.name=x")], "sample-service", Some("service.name=x")),
        // All of it is discarded if a part is malformed.
        (&[(attributes, "service.name=other,team=50%")], "sample-service", None),
    ] {
        let (collector, url) = Collector::start().await;
        let server = traced_to(&url, variables, &[]);
        call(&server, &[]).await;
        let span = collector.span(is_of_the_service).await;
        assert_eq!(span.service, name, "{variables:?}");
        assert_eq!(span.resource_text("team").as_deref(), team, "{variables:?}");
        assert_eq!(
            span.resource_text("service.version").as_deref(),
            Some(env!("CARGO_PKG_VERSION"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_exporter_has_a_message() {
    let closed = crate::support::process::unused_address();
    let server = traced_to(&format!("http://{closed}"), &[], &[]);
    call(&server, &[]).await;
    let error = server.process.wait_for(|line| {
        let event = event(line);
        (event["level"] == "ERROR").then_some(event)
    });
    assert_eq!(error["message"], "BatchSpanProcessor.ExportError", "{error}");
    assert!(error["error"].is_string(), "{error}");
}
