//! The fields of a line in the text format.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, format::Writer},
};
use wire::escape::Escaping;

/// The field that may have several lines.
const BACKTRACE: &str = "backtrace";

/// Writes fields as `tracing_subscriber` does, and escapes the control characters of their
/// values, because a caller may have chosen them.
#[derive(Debug)]
pub(super) struct TextFields;

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut text = Text { writer, is_first: true, written: Ok(()) };
        fields.record(&mut text);
        text.written
    }
}

struct Text<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    written: fmt::Result,
}

impl Text<'_> {
    fn write(&mut self, field: &Field, value: &dyn Debug) -> fmt::Result {
        if !self.is_first {
            self.writer.write_char(' ')?;
        }
        self.is_first = false;
        let name = field.name();
        match name {
            "message" => {}
            _ if self.writer.has_ansi_escapes() => {
                write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")?;
            }
            _ => write!(self.writer, "{name}=")?,
        }
        if name == BACKTRACE {
            // Its lines are the program's own, and on one line it could not be read.
            return write!(self.writer, "{value:?}");
        }
        write!(Escaping(&mut self.writer), "{value:?}")
    }
}

impl Visit for Text<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.record_debug(field, &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // What the crate `log` adds is in the line already.
        if self.written.is_ok() && !field.name().starts_with("log.") {
            self.written = self.write(field, value);
        }
    }
}
