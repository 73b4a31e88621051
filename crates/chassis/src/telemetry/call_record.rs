//! The log record of a call, as it is exported.

use std::time::Duration;

use opentelemetry::logs::LogRecord as _;
use tracing::Level;
use wire::log_export::{LogExport, LogRecord};

use super::call_fields::{Fields, MESSAGE, Name, visit};
use crate::call::Call;

/// Sends the record of a call that has ended.
pub(super) fn send(export: &LogExport, level: Level, call: &Call, took: Duration) {
    let Some(record) = export.begin(level, module_path!()) else { return };
    let mut attributes = Attributes(record);
    visit(call, took, &mut attributes);
    let mut record = attributes.0;
    record.set_body(MESSAGE.into());
    if let Some(span) = call.span_context() {
        let flags = Some(span.trace_flags());
        record.set_trace_context(span.trace_id(), span.span_id(), flags);
    }
    export.emit(record);
}

struct Attributes(LogRecord);

impl Fields for Attributes {
    fn quoted(&mut self, name: Name, value: &str) {
        self.0.add_attribute(name.key, value.to_owned());
    }

    fn plain(&mut self, name: Name, value: &str) {
        self.quoted(name, value);
    }

    fn number(&mut self, name: Name, number: u64) {
        self.0.add_attribute(name.key, i64::try_from(number).unwrap_or(i64::MAX));
    }

    fn milliseconds(&mut self, name: Name, time: Duration) {
        // Of whole microseconds, as in the line.
        self.0.add_attribute(name.key, time.as_micros() as f64 / 1000.0);
    }
}
