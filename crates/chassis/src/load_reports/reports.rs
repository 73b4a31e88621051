//! The load report, and the trailer that carries it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use tokio::time::Instant;
use tonic::{Code, Status, metadata::BinaryMetadataValue};
use wire::code::is_server_failure;

use crate::{moving_average::Rate, proto::xds::data::orca::v3::OrcaLoadReport};

/// The trailer with an encoded report ("Per-Query Metrics Reporting" in gRFC A51).
const TRAILER: HeaderName = HeaderName::from_static("endpoint-load-metrics-bin");

/// The trailer that only refusals have: the retry hint (gRFC A6).
const RETRY_HINT: &str = "grpc-retry-pushback-ms";

/// The time for which an encoded report is used again. Clients compute their weights once a second
/// by default, and at most ten times a second (`weight_update_period` in gRFC A58).
const REUSE: Duration = Duration::from_millis(10);

/// The load of the server at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// The recent average of the calls at work and in the queue, divided by the concurrency limit.
    pub(crate) utilization: f64,
    /// The share of the memory budget that is in use.
    pub(crate) memory: f64,
    /// Workers that are busy.
    pub(crate) busy: usize,
    /// Calls in the queue.
    pub(crate) waiting: usize,
    /// The expected wait of the next call.
    pub(crate) expected_wait: Duration,
}

/// The load reports of a server.
///
/// The fields are those of `xds/data/orca/v3/orca_load_report.proto` in
/// <https://github.com/cncf/xds>. gRPC's own `weighted_round_robin` gives a server the weight
/// `rps_fractional / (application_utilization + eps / rps_fractional * penalty)` ("Subchannel
/// Weights" in gRFC A58). It ignores a report in which the rate or the utilization is 0. That is
/// why rate, errors and utilization are averages: at the end of a call its worker is free again,
/// and the utilization of that moment could be 0.
pub(crate) struct LoadReports {
    sample: Box<dyn Fn() -> Sample + Send + Sync>,
    calls: Mutex<Calls>,
}

#[derive(Debug)]
struct Calls {
    finished: Rate,
    failed: Rate,
    /// The last trailer, and when it was made.
    trailer: Option<(Instant, HeaderValue)>,
}

impl LoadReports {
    /// Returns the reports of a server whose load `sample` returns.
    pub(crate) fn new(sample: impl Fn() -> Sample + Send + Sync + 'static) -> Self {
        let calls = Calls { finished: Rate::new(), failed: Rate::new(), trailer: None };
        Self { sample: Box::new(sample), calls: Mutex::new(calls) }
    }

    /// Counts the call that ends with these trailers, and adds the report to them.
    ///
    /// A call that its client cancels has no trailers, so it is not counted.
    pub(crate) fn end(&self, trailers: &mut HeaderMap) {
        let code = trailers.get(Status::GRPC_STATUS);
        let code = code.map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()));
        let is_refused = trailers.contains_key(RETRY_HINT);
        let mut calls = self.calls();
        calls.count(code, is_refused);
        let now = Instant::now();
        let value = match &calls.trailer {
            Some((made, value)) if now.saturating_duration_since(*made) < REUSE => value.clone(),
            _ => {
                let value = encoded(&self.report_of(&calls));
                calls.trailer = Some((now, value.clone()));
                value
            }
        };
        drop(calls);
        // A handler may report its own load.
        trailers.entry(TRAILER).or_insert(value);
    }

    /// Returns the report of this moment.
    pub(super) fn report(&self) -> OrcaLoadReport {
        self.report_of(&self.calls())
    }

    fn report_of(&self, calls: &Calls) -> OrcaLoadReport {
        let Sample { utilization, memory, busy, waiting, expected_wait } = (self.sample)();
        let named_metrics = [
            ("workers_busy", busy as f64),
            ("queue_length", waiting as f64),
            ("expected_wait_seconds", expected_wait.as_secs_f64()),
        ];
        let named_metrics = named_metrics.map(|(name, value)| (name.to_owned(), value));
        OrcaLoadReport {
            mem_utilization: memory.clamp(0.0, 1.0),
            rps_fractional: calls.finished.average(),
            eps: calls.failed.average(),
            named_metrics: HashMap::from(named_metrics),
            application_utilization: utilization,
            ..OrcaLoadReport::default()
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().expect("nothing panics while it is locked")
    }
}

impl Calls {
    /// Counts a call.
    ///
    /// A refused call counts as failed, and not as finished: otherwise a server that refuses at
    /// once would seem to serve many calls with little load, and would get more.
    fn count(&mut self, code: Code, is_refused: bool) {
        if !is_refused {
            self.finished.count();
        }
        if is_refused || is_server_failure(code) {
            self.failed.count();
        }
    }
}

/// Returns the report as a binary header: base64 without padding.
fn encoded(report: &OrcaLoadReport) -> HeaderValue {
    let value = BinaryMetadataValue::from_bytes(&report.encode_to_vec());
    HeaderValue::from_bytes(value.as_encoded_bytes()).expect("base64 is valid in a header")
}

impl fmt::Debug for LoadReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadReports").field("calls", &self.calls).finish_non_exhaustive()
    }
}
