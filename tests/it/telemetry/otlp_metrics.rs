//! Metrics, as a collector receives them.

use std::{cell::Cell, collections::BTreeSet, sync::atomic::Ordering::Relaxed};

use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, metric::Data};
use rustix::process::Signal;
use tonic::Code;

use crate::support::{
    frames::{Frames, GRPC, MALFORMED, NOT_FOUND, UNIMPLEMENTED, serve_counted},
    http1::get,
    metric_collector::MetricCollector,
    metrics::{METRICS, wait_until},
    process::{ServerProcess, event},
    wire::{Caller, message, text},
};

const ENDPOINT: &str = "SAMPLE__METRICS__ENDPOINT";
const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
/// An interval, so that tests do not wait for it.
const SHORT: (&str, &str) = (INTERVAL, "20");
/// An interval that does not end before the test.
const LONG: (&str, &str) = (INTERVAL, "3600000");
const CALL: [(&str, &str); 2] = [("grpc_service", "SampleService"), ("grpc_method", "Call")];
const HANDLED: &str = "grpc_server_handled_total";
const DURATION: &str = "rpc.server.call.duration";

async fn call_at(server: &ServerProcess, path: &str) -> Code {
    let mut caller = Caller::connect(&server.address).await;
    caller.call_at(path, &[], message(false, &text("hello"))).await.code()
}

async fn call(server: &ServerProcess) {
    assert_eq!(call_at(server, "/SampleService/Call").await, Code::Ok);
}

/// Ends the server, and returns the rest of its log.
fn end(server: ServerProcess) -> Vec<serde_json::Value> {
    server.process.signal(Signal::TERM);
    let (status, lines) = server.process.wait();
    assert!(status.success(), "{lines:#?}");
    lines.iter().map(|line| event(line)).collect()
}

fn is_of_the_export(event: &serde_json::Value) -> bool {
    event["message"].as_str().is_some_and(|message| message.contains("metrics"))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_metrics_arrive_with_the_right_counts() {
    let (collector, url) = MetricCollector::start().await;
    let header = ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x-tenant=a%20b");
    let server = ServerProcess::with(&[METRICS, (ENDPOINT, &url), SHORT, header], &[]);
    for _ in 0..3 {
        call(&server).await;
    }
    assert_eq!(call_at(&server, "/SampleService/None").await, Code::Unimplemented);
    let ok = [&CALL[..], &[("grpc_code", "OK")]].concat();
    let unknown = [("rpc.method", "_OTHER")];
    let export = collector
        .export(|export| {
            export.value(HANDLED, &ok) == 3.0 && export.value(DURATION, &unknown) == 1.0
        })
        .await;
    assert_eq!(export.resource["service.name"], "sample-service");
    assert_eq!(export.headers.get("x-tenant").expect("a header"), "a b");
    assert_eq!(export.value("grpc_server_handling_seconds", &CALL), 3.0);
    assert_eq!(export.value("chassis_workers_limit", &[]), 5.0);
    assert!(export.value("process_resident_memory_bytes", &[]) > 0.0);

    let attributes = |pairs: &[(&str, &str)]| {
        let owned = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        owned.chain([("rpc.system.name".to_owned(), "grpc".to_owned())]).collect()
    };
    let status = "rpc.response.status_code";
    let durations = [
        (attributes(&[("rpc.method", "SampleService/Call"), (status, "OK")]), 3.0),
        (
            attributes(&[
                ("rpc.method", "_OTHER"),
                (status, "UNIMPLEMENTED"),
                ("error.type", "UNIMPLEMENTED"),
            ]),
            1.0,
        ),
    ];
    let mut sent = export.series(DURATION);
    sent.sort_by(|one, other| one.0["rpc.method"].cmp(&other.0["rpc.method"]));
    assert_eq!(sent, durations);

    for metric in &export.metrics {
        let temporality = match metric.data.as_ref().expect("data") {
            Data::Sum(sum) => {
                assert!(sum.is_monotonic, "{}", metric.name);
                sum.aggregation_temporality()
            }
            Data::Histogram(histogram) => histogram.aggregation_temporality(),
            _ => continue,
        };
        assert_eq!(temporality, AggregationTemporality::Cumulative, "{}", metric.name);
    }
    let served = get(&server.metrics_address, "/metrics").body;
    let kinds = served.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut names: BTreeSet<_> = kinds.filter_map(|kind| kind.split(' ').next()).collect();
    // It has no name among those of Prometheus.
    names.insert(DURATION);
    let sent: BTreeSet<_> = export.metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(sent, names);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_export_at_the_end_has_the_last_call() {
    let (collector, url) = MetricCollector::start().await;
    // No listener of metrics is needed.
    let server = ServerProcess::with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), LONG], &[]);
    call(&server).await;
    assert_eq!(collector.exports(), 0);
    end(server);
    let last = collector.last().expect("an export");
    assert_eq!(last.value("grpc_server_handling_seconds", &CALL), 1.0);
    assert_eq!(last.value("chassis_state", &[("state", "stopped")]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn native_histograms_are_sent_as_exponential_ones() {
    let (collector, url) = MetricCollector::start().await;
    let native = ("SAMPLE__METRICS__HISTOGRAMS", "native");
    let server = ServerProcess::with(&[(ENDPOINT, &url), LONG, native], &[]);
    call(&server).await;
    end(server);
    let last = collector.last().expect("an export");
    let latency = last.metrics.iter().find(|metric| metric.name == "grpc_server_handling_seconds");
    let data = latency.and_then(|metric| metric.data.clone());
    let Some(Data::ExponentialHistogram(histogram)) = data else { panic!("{data:?}") };
    let buckets = histogram.data_points.iter().filter_map(|point| point.positive.as_ref());
    let counts = buckets.flat_map(|buckets| &buckets.bucket_counts);
    assert_eq!(counts.sum::<u64>(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn none_sends_no_metrics() {
    for off in [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_SDK_DISABLED", "true")] {
        let (collector, url) = MetricCollector::start().await;
        let endpoint = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", url.as_str());
        let server = ServerProcess::with(&[endpoint, off, LONG], &[]);
        call(&server).await;
        end(server);
        assert_eq!(collector.exports(), 0, "{off:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_takes_no_metrics_is_one_warning() {
    let (address, exports) = serve_counted(Frames::only(&[GRPC, UNIMPLEMENTED])).await;
    let url = format!("http://{address}");
    let server = ServerProcess::with(&[(ENDPOINT, &url), SHORT], &[]);
    call(&server).await;
    wait_until(|| exports.load(Relaxed) >= 3);
    let events = end(server);
    let warnings: Vec<_> = events.iter().filter(|event| is_of_the_export(event)).collect();
    let [warning] = &warnings[..] else { panic!("{warnings:#?}") };
    assert_eq!(
        (warning["level"].as_str(), warning["message"].as_str()),
        (Some("WARN"), Some("metrics could not be sent"))
    );
    assert_eq!(warning["error"], "the collector takes no metrics (UNIMPLEMENTED)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_fails_for_a_while_is_one_warning_and_one_notice() {
    let (collector, url) = MetricCollector::start().await;
    collector.refuse(true);
    let server = ServerProcess::with(&[(ENDPOINT, &url), SHORT], &[]);
    wait_until(|| collector.exports() >= 3);
    collector.refuse(false);
    let warnings = Cell::new(0);
    server.process.wait_for(|line| {
        let event = event(line);
        let is_warning = event["message"] == "metrics could not be sent";
        if is_warning {
            assert_eq!(event["error"], "UNAVAILABLE: not now");
            warnings.set(warnings.get() + 1);
        }
        (event["message"] == "metrics are sent again").then_some(())
    });
    assert_eq!(warnings.get(), 1);
    collector.refuse(true);
    let event = server.wait_for_event("metrics could not be sent");
    assert_eq!(event["level"], "WARN");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_export_is_repeated_while_the_collector_is_unavailable() {
    let (collector, url) = MetricCollector::start().await;
    let flush = ("SAMPLE__SHUTDOWN__FLUSH", "60s");
    let server = ServerProcess::with(&[(ENDPOINT, &url), LONG, flush], &[]);
    call(&server).await;
    collector.refuse(true);
    server.process.signal(Signal::TERM);
    server.wait_for_event("metrics could not be sent");
    collector.refuse(false);
    let (status, lines) = server.process.wait();
    assert!(status.success(), "{lines:#?}");
    assert!(collector.last().is_some());
}

/// tonic panics at the details of this status.
#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_status_does_not_end_the_export_of_metrics() {
    let (address, exports) = serve_counted(Frames::only(&[GRPC, NOT_FOUND, MALFORMED])).await;
    let url = format!("http://{address}");
    let _server = ServerProcess::with(&[(ENDPOINT, &url), SHORT], &[]);
    wait_until(|| exports.load(Relaxed) >= 3);
}
