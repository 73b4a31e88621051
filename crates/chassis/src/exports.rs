//! The exports to collectors: the start of those of log records and of spans, and the end of all.

use std::{
    io::{self, Write},
    time::Duration,
};

use tokio::{task::spawn_blocking, time::Instant};
use wire::{export::ExportStartError, log_export::LogExport, trace::Tracing};

use crate::{
    config::{self, Settings},
    package::Package,
    server::StartError,
    telemetry::{LogWriter, MetricExport, Telemetry},
};

/// How long the notice of lost lines may take.
const NOTICE: Duration = Duration::from_millis(100);

/// Starts the export of log records, if the settings have an endpoint for it.
pub(crate) fn start_log_export(
    settings: &config::Log,
    package: Package,
) -> Result<Option<LogExport>, StartError> {
    let Some(endpoint) = &settings.endpoint else { return Ok(None) };
    let endpoint = endpoint.get().to_string();
    let export = LogExport::start(&endpoint, package.name, package.version);
    export.map(Some).map_err(|error| start_error(error, "send log records", StartError::LogExport))
}

/// Starts the export of spans, if the settings have an endpoint for it.
pub(crate) fn start_span_export(
    settings: &config::Tracing,
    package: Package,
) -> Result<Option<Tracing>, StartError> {
    let Some(settings) = settings.trace_settings() else { return Ok(None) };
    let export = Tracing::start(&settings, package.name, package.version);
    export.map(Some).map_err(|error| start_error(error, "send spans", StartError::Tracing))
}

fn start_error(
    error: ExportStartError,
    purpose: &'static str,
    no_exporter: fn(String) -> StartError,
) -> StartError {
    match error {
        ExportStartError::Thread(error) => StartError::Thread { purpose, error },
        ExportStartError::Exporter(error) => no_exporter(error.to_string()),
    }
}

/// Sends the last spans, metrics and log records and writes the last lines, all within
/// `shutdown.flush`.
pub(crate) async fn flush(
    settings: &Settings,
    telemetry: Telemetry,
    metric_export: Option<MetricExport>,
    log_export: Option<LogExport>,
    log: &LogWriter,
) {
    let end = Instant::now() + settings.shutdown.flush;
    let left = move || end.saturating_duration_since(Instant::now());
    // A collector that does not respond must leave time for the lines that say so.
    let for_exports = move || left().mul_f64(0.9);
    // At the same time, because each can have a collector of its own. Spans and log records are sent
    // from this thread, so it must not block.
    let spans = spawn_blocking(move || telemetry.flush_spans(for_exports()));
    let records = spawn_blocking(move || {
        if let Some(lost) = log_export.and_then(|export| export.shut_down(for_exports())) {
            tracing::warn!(%lost, "log records were lost");
        }
    });
    let metrics = async {
        if let Some(export) = metric_export {
            export.finish(for_exports()).await;
        }
    };
    // An error is a panic, which is in the log.
    let _ = tokio::join!(spans, records, metrics);
    // Metrics are served meanwhile, so that a last scrape sees the losses.
    let (log, for_lines) = (log.clone(), left());
    let lost = spawn_blocking(move || log.close(for_lines)).await.unwrap_or_default();
    // Through a second writer, which does not block: standard error may be the same pipe that is
    // not read. An error of the notice does not change the exit code.
    if lost > 0
        && let Ok(notice) = LogWriter::start(io::stderr())
    {
        let _ = writeln!(&notice, "{lost} lines of the log were lost: they were not read in time");
        notice.flush(NOTICE);
    }
}
