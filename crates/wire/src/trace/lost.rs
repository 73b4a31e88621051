//! Which spans were lost on the way to the collector.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::FutureExt;
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};

/// Spans that have ended and were not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostSpans {
    spans: u64,
    cause: String,
}

impl fmt::Display for LostSpans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spans, cause } = self;
        write!(f, "{spans} span{} could not be sent: {cause}", if *spans == 1 { "" } else { "s" })
    }
}

/// Counts the recorded spans that have ended, and those that were sent.
#[derive(Debug, Default)]
pub(super) struct SpanCounts {
    ended: AtomicU64,
    sent: AtomicU64,
    /// The error of the last batch that was not sent.
    error: Mutex<Option<String>>,
}

impl SpanCounts {
    pub(super) fn ended(&self) {
        self.ended.fetch_add(1, Relaxed);
    }

    /// Returns the spans that are lost if no more are sent. `error` is the reason if no batch has
    /// failed: they are still in the queue.
    pub(super) fn lost(&self, error: Option<String>) -> Option<LostSpans> {
        let spans = self.ended.load(Relaxed).saturating_sub(self.sent.load(Relaxed));
        let failed = self.error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let cause =
            failed.or(error).unwrap_or_else(|| "there were too many in the queue".to_owned());
        (spans > 0).then_some(LostSpans { spans, cause })
    }
}

/// An exporter whose sent spans are counted, and which outlives every response of its collector.
///
/// The SDK only logs that a batch was lost. tonic panics at a status whose details are not base64.
/// That would end the thread that exports, and with it the export for good.
#[derive(Debug)]
pub(super) struct Counted<E> {
    exporter: E,
    counts: Arc<SpanCounts>,
}

impl<E> Counted<E> {
    pub(super) fn new(exporter: E, counts: Arc<SpanCounts>) -> Self {
        Self { exporter, counts }
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        // Unwind safe, because an exporter keeps nothing of an export.
        let export = AssertUnwindSafe(self.exporter.export(batch)).catch_unwind();
        let exported = export.await.unwrap_or_else(|_panic| {
            let problem = "the status in the collector's response cannot be read";
            Err(OTelSdkError::InternalFailure(problem.to_owned()))
        });
        match &exported {
            Ok(()) => {
                self.counts.sent.fetch_add(spans, Relaxed);
            }
            Err(error) => {
                let mut last = self.counts.error.lock().unwrap_or_else(PoisonError::into_inner);
                *last = Some(error.to_string());
            }
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
