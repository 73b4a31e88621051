//! The log, the metrics and the traces of the server.

mod access_log;
mod batch;
mod call_durations;
mod call_fields;
mod call_record;
mod directives;
mod export_layer;
mod exposition;
mod failures;
mod families;
mod json;
mod labels;
mod latency;
pub(crate) mod log;
mod log_filter;
mod metric_export;
mod metrics;
mod native;
mod otlp;
mod output;
mod panics;
mod process;
mod refused;
mod text;
mod writer;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use wire::trace::{ServerSpan, Tracing};

use crate::{
    call::{Call, KnownHeaders, Peer, PeerAddress, Shared},
    method::{Method, Origin},
};

pub(crate) use access_log::AccessLog;
pub(crate) use failures::{FailedCall, Failures};
pub(crate) use families::Families;
pub(crate) use log_filter::{BadOverride, Configured, LogFilter, OVERRIDE, level_override};
pub(crate) use metric_export::MetricExport;
pub(crate) use metrics::Metrics;
pub(crate) use refused::Refused;
pub(crate) use writer::LogWriter;

/// Everything that each call is reported to. Clones are cheap and report to the same.
///
/// The default reports to nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Telemetry(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    access_log: Option<AccessLog>,
    metrics: Option<Metrics>,
    /// Kept if there are metrics.
    failures: Option<Failures>,
    tracing: Option<Tracing>,
    log_filter: Option<LogFilter>,
}

impl Telemetry {
    /// Reports to these parts. A part that is left out costs nothing.
    pub(crate) fn new(
        access_log: Option<AccessLog>,
        metrics: Option<Metrics>,
        tracing: Option<Tracing>,
        log_filter: Option<LogFilter>,
    ) -> Self {
        let failures = metrics.as_ref().map(|_| Failures::default());
        Self(Arc::new(Parts { access_log, metrics, failures, tracing, log_filter }))
    }

    pub(crate) fn metrics(&self) -> Option<&Metrics> {
        self.0.metrics.as_ref()
    }

    /// Returns the last calls that failed, if there are metrics.
    pub(crate) fn failures(&self) -> Option<&Failures> {
        self.0.failures.as_ref()
    }

    pub(crate) fn log_filter(&self) -> Option<&LogFilter> {
        self.0.log_filter.as_ref()
    }

    pub(crate) fn tracing(&self) -> Option<&Tracing> {
        self.0.tracing.as_ref()
    }

    /// Returns the writer of the log, if calls are logged.
    pub(crate) fn log(&self) -> Option<&LogWriter> {
        self.0.access_log.as_ref().map(AccessLog::writer)
    }

    /// Begins the record of a call. The call has ended when the record is dropped.
    pub(crate) fn begin(
        &self,
        shared: Arc<Shared>,
        method: Arc<Method>,
        path: &str,
        headers: &HeaderMap,
        known: KnownHeaders,
        peer: Option<Arc<Peer>>,
    ) -> CallRecord {
        if let Some(metrics) = &self.0.metrics {
            metrics.count_started(&method);
        }
        let span = self.begin_span(&method, headers, peer.as_deref());
        let call = Arc::new(Call::begin(shared, method, path, known, peer, span));
        CallRecord { telemetry: self.clone(), call }
    }

    /// Records that a request was refused before it was a call.
    pub(crate) fn refused(&self, why: Refused, peer: Option<PeerAddress>) {
        if let Some(metrics) = &self.0.metrics {
            metrics.count_refused(why);
        }
        let peer = peer.map(tracing::field::display);
        tracing::debug!(peer, reason = why.name(), "a request was refused");
    }

    fn begin_span(
        &self,
        method: &Method,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Option<ServerSpan> {
        let tracing = self.0.tracing.as_ref().filter(|_| method.origin() == Origin::Service)?;
        let client = peer.and_then(|peer| peer.address().socket_address());
        let client = client.map(|address| address.ip());
        Some(tracing.begin_server_span(method.service(), method.name(), headers, client))
    }

    // It has one caller, which LLVM does not inline it into by itself.
    #[inline(always)]
    fn ended(&self, call: &Call) {
        let took = call.start().elapsed();
        if let Some(metrics) = &self.0.metrics {
            metrics.record(call, took);
        }
        if let Some(failures) = &self.0.failures {
            failures.record(call, took);
        }
        if let Some(log) = &self.0.access_log {
            log.record(call, took);
        }
        if let Some(span) = call.span() {
            if let Some(waited) = call.waited() {
                span.add_queue_span(call.wait_began(), waited);
            }
            span.end(call.code());
        }
    }

    /// Sends the spans that are left, for no longer than `bound`. Blocks.
    pub(crate) fn flush_spans(&self, bound: Duration) {
        if let Some(tracing) = &self.0.tracing
            && let Some(lost) = tracing.lost(tracing.shut_down(bound).err())
        {
            tracing::warn!(%lost, "spans were lost");
        }
    }
}

/// The record of a call. When it is dropped, the call has ended and is reported.
#[derive(Debug)]
pub(crate) struct CallRecord {
    telemetry: Telemetry,
    call: Arc<Call>,
}

impl CallRecord {
    pub(crate) fn call(&self) -> &Arc<Call> {
        &self.call
    }

    /// Reads a frame of the response that is about to be sent.
    pub(crate) fn observe(&self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.call.add_bytes_out(data.len());
        } else if let Some(trailers) = frame.trailers_ref() {
            self.call.read_status(trailers);
        }
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        // A panic of the telemetry must not end what drops this, such as a whole connection. The
        // panic hook logs and counts it.
        let ended = AssertUnwindSafe(|| self.telemetry.ended(&self.call));
        let _panic = catch_unwind(ended);
        // A unary request has been read by then.
        if !self.call.method().is_unary() {
            self.call.end_response();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;
    use crate::{
        method::{Kind, MethodTable, ServiceMethods},
        testing,
    };

    #[test]
    fn a_panic_when_a_call_is_recorded_ends_nothing_else() {
        let methods = MethodTable::new(&[ServiceMethods {
            service: "test.Service".into(),
            origin: Origin::Service,
            methods: Some(vec![("A".into(), Kind::Unary), ("B".into(), Kind::BidiStreaming)]),
            message_limit: None,
        }]);
        let (path, headers) = ("/test.Service/B", HeaderMap::new());
        let method = Arc::clone(methods.find(path));
        let known = KnownHeaders::default();
        let shared = testing::shared(9);
        let mut record = Telemetry::default().begin(shared, method, path, &headers, known, None);
        // It has no series of this method.
        let metrics = testing::metrics(&MethodTable::new(&[]));
        record.telemetry = Telemetry::new(None, Some(metrics), None, None);
        let call = Arc::clone(record.call());
        drop(record);
        assert!(call.poll_response_ended(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}
