//! Log records as OpenTelemetry defines them, and their export to a collector.

mod exporter;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use opentelemetry::{
    Context,
    logs::{LogRecord as _, Logger, LoggerProvider, Severity},
};
use opentelemetry_otlp::{LogExporter, WithExportConfig};
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use tracing::Level;

use crate::{
    export::{Counts, ExportStartError, Lost, resource},
    runtime::start_thread,
};

use exporter::Exporter;

pub use opentelemetry_sdk::logs::SdkLogRecord as LogRecord;

/// The crates of the export itself. A record of them would cause further records when it is sent.
const OF_THE_EXPORT: [&str; 5] = ["h2", "hyper", "hyper_util", "tonic", "tower"];

/// Sends log records in batches. Clones send to the same collector.
#[derive(Debug, Clone)]
pub struct LogExport {
    provider: SdkLoggerProvider,
    logger: SdkLogger,
    counts: Arc<Counts>,
    is_closed: Arc<AtomicBool>,
}

impl LogExport {
    /// Starts the export to the collector's URL, for OTLP over gRPC, in the runtime that this is
    /// called in. The resource has this name as `service.name` and this version as
    /// `service.version`.
    ///
    /// The queue and batches follow the variables of OpenTelemetry (`OTEL_BLRP_*`), as do the
    /// exporter (`OTEL_EXPORTER_OTLP_*`) and the resource (`OTEL_RESOURCE_ATTRIBUTES`,
    /// `OTEL_SERVICE_NAME`).
    ///
    /// # Errors
    ///
    /// Returns an error if no exporter can be built from these variables, or if the system has
    /// no thread left for it.
    pub fn start(
        endpoint: &str,
        name: &'static str,
        version: &'static str,
    ) -> Result<Self, ExportStartError> {
        let exporter = LogExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
        let counts = Arc::new(Counts::new("log record"));
        let exporter = Exporter::new(exporter, Arc::clone(&counts));
        let provider = SdkLoggerProvider::builder();
        let provider = start_thread(|| provider.with_batch_exporter(exporter));
        let provider = provider
            .map_err(ExportStartError::Thread)?
            .with_resource(resource(name, version))
            .build();
        let logger = provider.logger(name);
        Ok(Self { provider, logger, counts, is_closed: Arc::default() })
    }

    /// Begins a record of now. `target` is the module that it comes from: the instrumentation
    /// scope. Returns `None` if the record is of the export itself, or if the export has ended.
    pub fn begin(&self, level: Level, target: &'static str) -> Option<LogRecord> {
        // Events on the SDK's own threads have no record, because each batch would cause more.
        let is_refused = self.is_closed.load(Relaxed)
            || is_of_the_export(target)
            || Context::is_current_telemetry_suppressed();
        if is_refused {
            return None;
        }
        let mut record = self.logger.create_log_record();
        record.set_timestamp(SystemTime::now());
        record.set_severity_number(severity(level));
        record.set_severity_text(level.as_str());
        record.set_target(target);
        Some(record)
    }

    /// Adds a record to the queue, or drops it if the queue is full. A record without a trace is
    /// of the span of the current context, if there is one.
    pub fn emit(&self, record: LogRecord) {
        self.counts.add();
        self.logger.emit(record);
    }

    /// Sends the records that are left, for no longer than `bound`, and accepts no more. Blocks.
    /// Returns how many were lost since the start; `None` if all were sent.
    pub fn shut_down(&self, bound: Duration) -> Option<Lost> {
        // The SDK would warn of every later record.
        self.is_closed.store(true, Relaxed);
        let flushed = self.provider.shutdown_with_timeout(bound);
        self.counts.lost(flushed.err().map(|error| error.to_string()))
    }
}

fn is_of_the_export(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or(target);
    name.starts_with("opentelemetry") || OF_THE_EXPORT.contains(&name)
}

fn severity(level: Level) -> Severity {
    match level {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warn,
        Level::INFO => Severity::Info,
        Level::DEBUG => Severity::Debug,
        Level::TRACE => Severity::Trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_the_export_itself_are_recognized_by_their_crate() {
        for target in ["h2::codec", "hyper_util::client", "opentelemetry-otlp", "tonic", "tower"] {
            assert!(is_of_the_export(target), "{target}");
        }
        for target in ["http2::connection", "sample_service", "tower_http::trace", "chassis"] {
            assert!(!is_of_the_export(target), "{target}");
        }
    }
}
