//! The lines of the log as log records, which are exported.
//!
//! `opentelemetry-appender-tracing` does the same, but names each record by its place in the
//! source, renames fields that are errors, and needs the exporter before the log has started.

use std::{
    fmt::Debug,
    sync::{Arc, OnceLock},
};

use opentelemetry::logs::LogRecord as _;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};
use wire::log_export::{LogExport, LogRecord};

/// The most bytes of a text in a record. The queue is bounded by the number of its records, and at
/// level "debug" a line can have the text of a whole request.
const MAX_TEXT: usize = 8 * 1024;

/// Passes the events that the filter of the log lets through to an export, once there is one.
/// Clones pass to the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExportLayer(Arc<OnceLock<LogExport>>);

impl ExportLayer {
    /// Passes later events to this export. It is set once.
    pub(crate) fn pass_to(&self, export: LogExport) {
        // Only the start of the program sets it.
        let _ = self.0.set(export);
    }
}

impl<S: Subscriber> Layer<S> for ExportLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(export) = self.0.get() else { return };
        let metadata = event.metadata();
        let Some(record) = export.begin(*metadata.level(), metadata.target()) else { return };
        let mut attributes = Attributes(record);
        event.record(&mut attributes);
        let mut record = attributes.0;
        if record.body().is_none() {
            record.set_body(metadata.name().into());
        }
        export.emit(record);
    }
}

struct Attributes(LogRecord);

impl Visit for Attributes {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.add_attribute(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.add_attribute(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.record_i64(field, value),
            Err(_) => self.record_debug(field, &value),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.add_attribute(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let value = value[..value.floor_char_boundary(MAX_TEXT)].to_owned();
        match field.name() {
            "message" => self.0.set_body(value.into()),
            name => self.0.add_attribute(name, value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // What the crate `log` adds is about the place in the source.
        if !field.name().starts_with("log.") {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}
