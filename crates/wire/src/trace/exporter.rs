//! The exporter of spans.

use std::{fmt, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use opentelemetry_otlp::SpanExporter as OtlpExporter;
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};

/// An exporter that outlives every response of its collector.
///
/// tonic panics at a status whose details are not base64. That would end the thread that exports,
/// and with it the export for good.
pub(super) struct Exporter(pub(super) OtlpExporter);

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        // Unwind safe, because the exporter keeps nothing of an export.
        let export = AssertUnwindSafe(self.0.export(batch)).catch_unwind();
        export.await.unwrap_or_else(|_panic| {
            let problem = "the status in the collector's response cannot be read";
            Err(OTelSdkError::InternalFailure(problem.to_owned()))
        })
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
