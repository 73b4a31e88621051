//! What the server says of itself: a log, metrics, traces.

mod access_log;
mod call;
mod families;
pub mod log;
mod method;
mod metrics;
mod process;
mod progress;
mod trace;
mod writer;

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use tonic::Code;

pub use access_log::AccessLog;
pub use call::{Call, Peer};
pub use families::Families;
pub use method::Method;
pub use metrics::Metrics;
pub use progress::{Progress, Waiting};
pub use trace::{CallSpan, ClientSpan, Tracing};
pub use writer::LogWriter;

/// Everyone that is told of each call. Clones are cheap and tell the same.
///
/// By default there is nobody.
#[derive(Debug, Clone, Default)]
pub struct Telemetry(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    access_log: Option<AccessLog>,
    metrics: Option<Metrics>,
    tracing: Option<Tracing>,
}

impl Telemetry {
    /// Of these parts; what is left out costs nothing.
    pub fn new(
        access_log: Option<AccessLog>,
        metrics: Option<Metrics>,
        tracing: Option<Tracing>,
    ) -> Self {
        Self(Arc::new(Parts { access_log, metrics, tracing }))
    }

    /// What is counted, where anything is.
    pub fn metrics(&self) -> Option<&Metrics> {
        self.0.metrics.as_ref()
    }

    /// Where the lines of calls are written, where any are.
    pub fn log(&self) -> Option<&LogWriter> {
        self.0.access_log.as_ref().map(AccessLog::writer)
    }

    /// A call begins. It ends when what is returned is dropped.
    pub fn begin(&self, path: &str, headers: &HeaderMap, peer: Option<Arc<Peer>>) -> Call {
        let call = Call::begin(self.clone(), path, headers, peer);
        if let Some(metrics) = &self.0.metrics {
            metrics.begin(&call);
        }
        call
    }

    /// A handler panicked.
    pub fn panicked(&self) {
        if let Some(metrics) = &self.0.metrics {
            metrics.panicked();
        }
    }

    fn begin_span(
        &self,
        method: Method,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Option<CallSpan> {
        self.0.tracing.as_ref().filter(|_| method.is_own())?.begin_call(method, headers, peer)
    }

    fn ended(&self, call: &mut Call) {
        let took = call.elapsed();
        if let Some(metrics) = &self.0.metrics {
            metrics.ended(call, took);
        }
        if let Some(log) = &self.0.access_log {
            log.ended(call, took);
        }
        if let Some(span) = call.span.take() {
            span.end(call.code, &call.progress);
        }
    }

    /// Sends the spans that are left, for no longer than `bound`. Blocks.
    pub fn flush_spans(&self, bound: Duration) {
        if let Some(tracing) = &self.0.tracing
            && let Err(error) = tracing.shut_down(bound)
        {
            tracing::warn!(%error, "spans were lost: they could not be sent in time");
        }
    }
}

/// The name of a status code as the gRPC specification writes it, such as
/// `DEADLINE_EXCEEDED`.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
