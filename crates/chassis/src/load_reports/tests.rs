//! The content of the reports, and the responses that have one.

use std::{convert::Infallible, future::ready, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message;
use tokio::time::advance;
use tonic::{Code, Status, metadata::MetadataMap};
use tower::{ServiceExt, service_fn};

use super::{LoadReports, OpenRca, Sample};
use crate::{
    body::Body,
    call::Shared,
    cause::Cause,
    inbound::BoxInbound,
    lifecycle::{Lifecycle, State},
    middleware::{Record, Recorder},
    proto::xds::{
        data::orca::v3::OrcaLoadReport,
        service::orca::v3::{OrcaLoadReportRequest, open_rca_service_server::OpenRcaService},
    },
    telemetry::Telemetry,
    testing,
};

const TRAILER: &str = "endpoint-load-metrics-bin";

fn reports() -> LoadReports {
    LoadReports::new(|| Sample {
        utilization: 1.5,
        memory: 0.25,
        busy: 5,
        waiting: 3,
        expected_wait: Duration::from_millis(80),
    })
}

fn report_in(trailers: &HeaderMap) -> OrcaLoadReport {
    let metadata = MetadataMap::from_headers(trailers.clone());
    let value = metadata.get_bin(TRAILER).expect("a report").to_bytes().expect("base64");
    OrcaLoadReport::decode(value).expect("a report")
}

fn trailers(code: Code) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from(code as i32));
    trailers
}

/// Ends a call, and returns the report in its trailers.
fn end(reports: &LoadReports, code: Code) -> OrcaLoadReport {
    let mut trailers = trailers(code);
    reports.end(&mut trailers);
    report_in(&trailers)
}

#[tokio::test(start_paused = true)]
async fn the_first_call_has_a_report_that_counts_it() {
    let report = end(&reports(), Code::Ok);
    // docs/load-balancing.md has this size.
    assert_eq!(report.encoded_len(), 111);
    assert_eq!((report.application_utilization, report.mem_utilization), (1.5, 0.25));
    assert!(report.rps_fractional > 0.0, "{report:?}");
    assert_eq!(report.eps, 0.0);
    let metrics = [("workers_busy", 5.0), ("queue_length", 3.0), ("expected_wait_seconds", 0.08)];
    let metrics = metrics.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(report.named_metrics, metrics.into());
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_server_are_errors_and_mistakes_of_the_caller_are_not() {
    for (code, is_error) in [
        (Code::Ok, false),
        (Code::Cancelled, false),
        (Code::InvalidArgument, false),
        (Code::NotFound, false),
        (Code::ResourceExhausted, false),
        (Code::DeadlineExceeded, true),
        (Code::Internal, true),
        (Code::Unavailable, true),
    ] {
        let report = end(&reports(), code);
        assert!(report.rps_fractional > 0.0, "{code:?}");
        assert_eq!(report.eps > 0.0, is_error, "{code:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_error_and_no_finished_call() {
    let reports = reports();
    let cause = Cause::QueueFull { retry_after: Duration::from_secs(1) };
    let mut trailers = cause.trailers();
    reports.end(&mut trailers);
    let report = report_in(&trailers);
    assert!(report.eps > 0.0, "{report:?}");
    assert_eq!(report.rps_fractional, 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_report_is_used_again_for_a_moment() {
    let reports = reports();
    let first = end(&reports, Code::Ok);
    assert_eq!(end(&reports, Code::Ok), first);
    advance(Duration::from_millis(10)).await;
    let later = end(&reports, Code::Ok);
    assert!(later.rps_fractional > 2.0 * first.rps_fractional, "{later:?}");
}

#[tokio::test(start_paused = true)]
async fn the_report_of_a_handler_stays() {
    let mut trailers = trailers(Code::Ok);
    trailers.insert(TRAILER, HeaderValue::from_static("AAEC"));
    reports().end(&mut trailers);
    assert_eq!(trailers[TRAILER], "AAEC");
    assert_eq!(trailers.len(), 2);
}

/// Returns the trailers of a response that passes through the record layer of a server with
/// reports, or the headers if it has no trailers.
async fn trailers_of(response: fn() -> Response<Body>, path: &str) -> HeaderMap {
    let shared = Arc::into_inner(testing::shared(9)).expect("there is one");
    let shared = Shared { load_reports: Some(Arc::new(reports())), ..shared };
    let methods = Arc::new(testing::methods());
    let recorder = Recorder::new(Telemetry::default(), methods, Arc::new(shared));
    let respond = move |_: BoxInbound| ready(Ok::<Response<Body>, Infallible>(response()));
    let others = Arc::new(|_, _| panic!("it is a call of gRPC"));
    let service = Record::new(service_fn(respond), recorder, true, others);
    let request = testing::post(path);
    let Ok(response) = service.oneshot(request.body(Body::empty()).expect("a request")).await;
    let (head, body) = response.into_parts();
    let collected = body.collect().await.expect("no frame fails");
    collected.trailers().cloned().unwrap_or(head.headers)
}

fn message() -> Response<Body> {
    Response::new(Body::response(Bytes::from_static(&[0; 5])))
}

fn stream() -> Response<Body> {
    let frames = [Frame::data(Bytes::from_static(&[0; 5])), Frame::trailers(trailers(Code::Ok))];
    Response::new(Body::stream(StreamBody::new(stream::iter(frames.map(Ok)))))
}

fn refusal() -> Response<Body> {
    Cause::NoMemory.response()
}

fn late_stream() -> Response<Body> {
    let mut body = Body::stream(StreamBody::new(stream::pending()));
    body.end_at(tokio::time::Instant::now());
    Response::new(body)
}

#[tokio::test(start_paused = true)]
async fn every_end_of_a_services_call_has_one_report() {
    for (response, code) in [
        (message as fn() -> Response<Body>, Code::Ok),
        (stream, Code::Ok),
        (refusal, Code::ResourceExhausted),
        (late_stream, Code::DeadlineExceeded),
    ] {
        let trailers = trailers_of(response, testing::STREAM).await;
        assert_eq!(trailers.get_all(TRAILER).iter().count(), 1, "{code:?}");
        let report = report_in(&trailers);
        assert!(report.rps_fractional + report.eps > 0.0, "{code:?}");
        let status = Status::from_header_map(&trailers).expect("a status");
        assert_eq!(status.code(), code);
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_unknown_call_has_no_report() {
    let trailers = trailers_of(refusal, "/test.Service/Nonsense").await;
    assert!(!trailers.contains_key(TRAILER), "{trailers:?}");
}

async fn stream_of(
    lifecycle: &Lifecycle,
    report_interval: Option<prost_types::Duration>,
) -> <OpenRca as OpenRcaService>::StreamCoreMetricsStream {
    let service = OpenRca::new(Arc::new(reports()), lifecycle.clone());
    let request = OrcaLoadReportRequest { report_interval, request_cost_names: Vec::new() };
    let stream = service.stream_core_metrics(tonic::Request::new(request)).await;
    stream.expect("a stream").into_inner()
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_a_report_at_once_and_after_each_interval_of_at_least_a_second() {
    let duration = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
    for (asked, milliseconds) in [
        (None, 1000),
        (duration(0, 1_000_000), 1000),
        (duration(-5, 0), 1000),
        (duration(2, 500_000_000), 2500),
    ] {
        let mut stream = stream_of(&Lifecycle::new(), asked).await;
        let began = tokio::time::Instant::now();
        for number in 0..3 {
            let report = stream.next().await.expect("a report").expect("no error");
            assert_eq!(report.application_utilization, 1.5);
            let took = began.elapsed().as_millis();
            // A timer is up to a millisecond late.
            let due = number * milliseconds;
            assert!((due..=due + number).contains(&took), "{asked:?}: {took}, not {due}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_the_drain_begins() {
    let lifecycle = Lifecycle::new();
    // Longer than the clock can express.
    let longest = prost_types::Duration { seconds: i64::MAX, nanos: 0 };
    let mut stream = stream_of(&lifecycle, Some(longest)).await;
    stream.next().await.expect("a report").expect("no error");
    lifecycle.advance(State::LameDuck);
    let mut next = tokio_test::task::spawn(stream.next());
    tokio_test::assert_pending!(next.poll());
    lifecycle.advance(State::Draining);
    assert!(next.await.is_none());
}
