//! Exemplars and native histograms, as a real Prometheus reads them.

use std::collections::BTreeSet;

use tonic::Code;

use crate::support::{
    collector::Collector,
    metrics::{METRICS, scrape},
    process::ServerProcess,
    prometheus::Prometheus,
    wire::{Caller, message, text},
};

use super::admin::status;

const RECORDED: &str = "0af7651916cd43dd8448eb211c80319c";
const NOT_RECORDED: &str = "1bf7651916cd43dd8448eb211c80319d";
const EXEMPLARS: &str = "exemplar-storage";
const NATIVE: &str = "native-histograms";
const HISTOGRAMS: &str = "SAMPLE__METRICS__HISTOGRAMS";
const CALL: &str = "grpc_service=\"SampleService\",grpc_method=\"Call\"";

async fn call(server: &ServerProcess, headers: &[(&str, &str)]) {
    let mut caller = Caller::connect(&server.address).await;
    let response = caller.call(headers, message(false, &text("hello"))).await;
    assert_eq!(response.code(), Code::Ok);
}

/// Returns the labels of the exemplars, such as the traces.
fn exemplars(prometheus: &Prometheus, label: &str) -> BTreeSet<String> {
    let query = "%7B__name__%3D~%22grpc_server_handling_seconds.*%22%7D";
    // All of them, whatever the time is.
    let range = "start=0&end=9999999999";
    let path = format!("query_exemplars?query={query}&{range}");
    let Some(series) = prometheus.api(&path) else { return BTreeSet::new() };
    let series = series.as_array().cloned().unwrap_or_default().into_iter();
    let exemplars = series.flat_map(|one| one["exemplars"].as_array().cloned().expect("a list"));
    exemplars.map(|one| one["labels"][label].as_str().expect("it has it").to_owned()).collect()
}

#[test]
fn recorded_traces_are_exemplars_of_the_latency() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (features, buckets) in [
        (&[EXEMPLARS][..], "classic"),
        (&[EXEMPLARS, NATIVE], "classic"),
        (&[EXEMPLARS, NATIVE], "both"),
    ] {
        let (_collector, url) = runtime.block_on(Collector::start());
        let settings = [METRICS, ("SAMPLE__TRACING__ENDPOINT", &url), (HISTOGRAMS, buckets)];
        let server = ServerProcess::with(&settings, &[]);
        for (trace, flags) in [(RECORDED, "01"), (NOT_RECORDED, "00")] {
            let parent = format!("00-{trace}-b7ad6b7169203331-{flags}");
            runtime.block_on(call(&server, &[("traceparent", &parent)]));
        }
        let address = server.metrics_address.as_str();
        let Some(prometheus) = Prometheus::with_features(&[address], features) else { return };
        let traces = prometheus.wait_for("read an exemplar", |prometheus| {
            Some(exemplars(prometheus, "trace_id")).filter(|traces| !traces.is_empty())
        });
        assert_eq!(traces, BTreeSet::from([RECORDED.to_owned()]), "{features:?} {buckets}");
        let spans = exemplars(&prometheus, "span_id");
        assert!(spans.iter().all(|span| span.len() == 16), "{spans:?}");
    }
}

#[test]
fn native_histograms_are_read_by_prometheus_and_shown_by_the_status() {
    const CALLS: usize = 20;
    let server = ServerProcess::with(&[METRICS, (HISTOGRAMS, "native")], &["--work", "30ms"]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        for _ in 0..CALLS {
            call(&server, &[]).await;
        }
    });
    let address = server.metrics_address.as_str();
    // Text has the sum and the count, and no bucket but the last.
    let series = scrape(address);
    let of_calls = |(name, count): (&String, &f64)| {
        let is = name.starts_with("grpc_server_handling_seconds_") && name.contains("\"Call\"");
        is.then(|| (name.split(['{', ',']).next().unwrap_or_default().to_owned(), *count))
    };
    let series: Vec<_> = series.iter().filter_map(of_calls).collect();
    let [(bucket, all), (count, calls), (sum, seconds)] = &series[..] else { panic!("{series:?}") };
    let names = [bucket, count, sum].map(|name| name.rsplit('_').next().expect("a suffix"));
    assert_eq!(names, ["bucket", "count", "sum"]);
    assert_eq!((*all, *calls), (CALLS as f64, CALLS as f64));
    assert!(*seconds >= 0.03 * CALLS as f64, "{seconds}");

    let status = status(&server);
    let calls = status["calls"].as_array().expect("calls");
    let shown = calls.iter().find(|call| call["method"] == "/SampleService/Call").expect("it");
    let shown = shown["p50_ms"].as_f64().expect("a number") / 1000.0;

    let Some(prometheus) = Prometheus::with_features(&[address], &[NATIVE]) else { return };
    let histogram = format!("grpc_server_handling_seconds{{{CALL}}}");
    prometheus.wait_for_value(&format!("histogram_count({histogram})"), CALLS as f64);
    let median = prometheus.query(&format!("histogram_quantile(0.5, {histogram})"));
    let [(_, median)] = median[..] else { panic!("{median:?}") };
    // A bucket ends 9% above its begin, and the admin page may interpolate otherwise.
    assert!((median / shown - 1.0).abs() < 0.1, "{median} s, and the page shows {shown} s");
    assert!(median > 0.027, "{median} s");
}
