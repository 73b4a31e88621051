//! The log on standard output: text for people, JSON for machines. Beside it, log records can be
//! exported.

use std::{
    env,
    io::{self, IsTerminal},
};

use tracing_subscriber::{
    fmt::{self, format::Format},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::{
    export_layer::ExportLayer,
    json::JsonLines,
    log_filter::{Configured, LogFilter},
    panics,
    text::TextFields,
    writer::LogWriter,
};
use crate::config::LogFormat;

/// Starts the log for the rest of the process. Returns its writer, which can flush it, its
/// filter, which can be changed, and the layer that can pass its lines to an export.
///
/// # Errors
///
/// Returns the system's error if it has no thread left.
///
/// # Panics
///
/// Panics if the process has a log already.
pub(crate) fn start(
    configured: Configured,
    format: LogFormat,
) -> io::Result<(LogWriter, LogFilter, ExportLayer)> {
    let writer = LogWriter::start(io::stdout())?;
    let (filter, layer) = LogFilter::new(configured);
    let export = ExportLayer::default();
    let filtered = tracing_subscriber::registry().with(layer).with(export.clone());
    let lines = fmt::layer().with_target(false).with_writer(writer.clone());
    match format {
        LogFormat::Text => {
            filtered.with(lines.fmt_fields(TextFields).with_ansi(colour())).init();
        }
        LogFormat::Json => {
            let format = Format::default().json().flatten_event(true).with_target(false);
            let lines = lines.json().event_format(JsonLines(format));
            filtered.with(lines.with_ansi(false)).init();
        }
    }
    panics::observe();
    Ok((writer, filter, export))
}

/// Returns whether text is in colour: on a terminal, unless `NO_COLOR` is set
/// (<https://no-color.org>).
pub(crate) fn colour() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
