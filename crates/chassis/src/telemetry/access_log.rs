//! The access log: one line for each call, and a log record if they are exported.
//!
//! The line is encoded here, because `tracing_subscriber` would take more time for it than
//! the call takes. It looks like every other line of the log.

use std::{
    cell::RefCell,
    io::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tonic::Code;
use tracing::{Level, enabled};
use wire::{escape::Escaped, log_export::LogExport};

use super::{
    call_fields::{Fields, MESSAGE, Name, name, visit},
    call_record,
    writer::LogWriter,
};
use crate::{
    call::Call,
    config::{self, Access, LogFormat},
    method::Origin,
};

/// Writes a line for each call that the settings ask for.
#[derive(Debug, Clone)]
pub(crate) struct AccessLog {
    writer: LogWriter,
    export: Option<LogExport>,
    access: Access,
    slow: Duration,
    format: LogFormat,
    colour: bool,
}

impl AccessLog {
    /// Returns the access log. `colour` applies to the text format.
    pub(crate) fn new(
        settings: &config::Log,
        writer: LogWriter,
        export: Option<LogExport>,
        colour: bool,
    ) -> Self {
        let config::Log { access, slow, format, .. } = *settings;
        Self { writer, export, access, slow, format, colour }
    }

    pub(super) fn writer(&self) -> &LogWriter {
        &self.writer
    }

    pub(super) fn record(&self, call: &Call, took: Duration) {
        let Some(level) = self.level(call, took).filter(is_logged) else { return };
        thread_local! {
            static LINE: RefCell<String> = const { RefCell::new(String::new()) };
        }
        LINE.with_borrow_mut(|line| {
            line.clear();
            let line = Line { text: line, format: self.format, colour: self.colour };
            // Writing to the queue of the log never fails.
            let _ = (&self.writer).write_all(line.encode(level, call, took).as_bytes());
        });
        if let Some(export) = &self.export {
            call_record::send(export, level, call, took);
        }
    }

    /// Returns the level of the call's line, or `None` if it has no line.
    fn level(&self, call: &Call, took: Duration) -> Option<Level> {
        let failed = call.code() != Code::Ok;
        if call.method().origin() == Origin::Chassis {
            // Probes would bury all other lines. A watch that its client ends has not failed.
            let failed = failed && call.code() != Code::Cancelled;
            return match self.access {
                Access::All if !failed => Some(Level::DEBUG),
                Access::All | Access::Errors if failed => Some(Level::INFO),
                _ => None,
            };
        }
        // A stream that lasts is not slow.
        if call.method().is_unary() && took > self.slow {
            return Some(Level::WARN);
        }
        let wanted = match self.access {
            Access::All => true,
            Access::Errors => failed,
            Access::Off => false,
        };
        wanted.then_some(Level::INFO)
    }
}

/// Returns whether `log.level`, or `RUST_LOG`, lets lines of this level pass.
fn is_logged(level: &Level) -> bool {
    match *level {
        Level::WARN => enabled!(Level::WARN),
        Level::INFO => enabled!(Level::INFO),
        _ => enabled!(Level::DEBUG),
    }
}

struct Line<'a> {
    text: &'a mut String,
    format: LogFormat,
    colour: bool,
}

impl<'a> Line<'a> {
    fn encode(mut self, level: Level, call: &Call, took: Duration) -> &'a str {
        self.begin(level);
        visit(call, took, &mut self);
        if let Some(trace_id) = call.trace_id() {
            self.quoted(name!("trace_id"), &trace_id);
        }
        self.text.push_str(match self.format {
            LogFormat::Json => "}\n",
            LogFormat::Text => "\n",
        });
        self.text
    }

    fn begin(&mut self, level: Level) {
        match self.format {
            LogFormat::Json => {
                self.text.push_str("{\"timestamp\":\"");
                push_now(self.text);
                self.text.push_str("\",\"level\":\"");
                self.text.push_str(level.as_str());
                for part in ["\",\"message\":\"", MESSAGE, "\""] {
                    self.text.push_str(part);
                }
            }
            LogFormat::Text => {
                let (dim, colour, plain) = match (self.colour, level) {
                    (false, _) => ("", "", ""),
                    (true, Level::WARN) => ("\x1b[2m", "\x1b[33m", "\x1b[0m"),
                    (true, Level::INFO) => ("\x1b[2m", "\x1b[32m", "\x1b[0m"),
                    (true, _) => ("\x1b[2m", "\x1b[34m", "\x1b[0m"),
                };
                self.text.push_str(dim);
                push_now(self.text);
                let level = level.as_str();
                // Aligned to the longest level.
                let gap = if level.len() < 5 { "  " } else { " " };
                for part in [plain, gap, colour, level, plain, " ", MESSAGE] {
                    self.text.push_str(part);
                }
            }
        }
    }

    fn name(&mut self, name: Name) {
        self.text.push_str(match self.format {
            LogFormat::Json => name.json,
            LogFormat::Text => name.text,
        });
    }
}

impl Fields for Line<'_> {
    fn quoted(&mut self, name: Name, value: &str) {
        self.name(name);
        self.text.push('"');
        let plain = |byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if value.bytes().all(plain) {
            self.text.push_str(value);
        } else {
            // Escaped as in JSON, in both formats.
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            self.text.push_str(&Escaped(value).to_string());
        }
        self.text.push('"');
    }

    fn plain(&mut self, name: Name, value: &str) {
        self.name(name);
        let quote = if self.format == LogFormat::Json { "\"" } else { "" };
        for part in [quote, value, quote] {
            self.text.push_str(part);
        }
    }

    fn number(&mut self, name: Name, number: u64) {
        self.name(name);
        self.text.push_str(itoa::Buffer::new().format(number));
    }

    /// Writes three decimals.
    fn milliseconds(&mut self, name: Name, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.number(name, microseconds / 1000);
        push_fraction::<3>(self.text, microseconds % 1000);
    }
}

/// Writes the time as every line of the log has it, such as 2026-01-31T12:00:00.123456Z.
fn push_now(text: &mut String) {
    thread_local! {
        // Cached, because the second is the same for many lines.
        static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    SECOND.with_borrow_mut(|(second, shown)| {
        if *second != now.as_secs() {
            *second = now.as_secs();
            let whole = UNIX_EPOCH + Duration::from_secs(*second);
            *shown = humantime::format_rfc3339_seconds(whole).to_string();
        }
        text.push_str(shown.trim_end_matches('Z'));
    });
    push_fraction::<6>(text, u64::from(now.subsec_micros()));
    text.push('Z');
}

/// Writes a decimal point and the digits of a fraction.
fn push_fraction<const DIGITS: u32>(text: &mut String, part: u64) {
    text.push('.');
    for place in (0..DIGITS).rev() {
        let digit = part / 10_u64.pow(place) % 10;
        text.push(char::from(b'0' + digit as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_written_with_leading_zeros() {
        let fraction = |part| {
            let mut text = String::new();
            push_fraction::<3>(&mut text, part);
            text
        };
        assert_eq!([0, 7, 70, 700].map(fraction), [".000", ".007", ".070", ".700"]);
    }

    #[test]
    fn the_time_is_written_as_in_other_lines() {
        let mut now = String::new();
        let before = SystemTime::now();
        push_now(&mut now);
        let read = humantime::parse_rfc3339(&now).expect("a time");
        // It is truncated to microseconds.
        assert!(read + Duration::from_micros(1) > before && read <= SystemTime::now(), "{now}");
        assert_eq!(now.len(), "2026-01-31T12:00:00.123456Z".len());
    }
}
