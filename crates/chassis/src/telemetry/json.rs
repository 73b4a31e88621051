//! The lines of the JSON format.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Json, Writer},
    },
    registry::LookupSpan,
};

/// Writes a line as `tracing_subscriber` does, and adds the name of the event as its `message` if
/// it has none: the events of OpenTelemetry's exporter have only a name.
#[derive(Debug)]
pub(super) struct JsonLines(pub(super) Format<Json>);

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.fields().any(|field| field.name() == "message") {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let Some(object) = line.strip_suffix("}\n") else { return writer.write_str(&line) };
        let name = serde_json::Value::from(event.metadata().name());
        writeln!(writer, "{object},\"message\":{name}}}")
    }
}
