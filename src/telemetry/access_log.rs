//! One line a call, encoded here and not by `tracing_subscriber`: that would cost
//! more than the call. It looks like any other line of the log.

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    io::Write as _,
    net::SocketAddr,
    time::Duration,
};

use tonic::Code;
use tracing::{Level, enabled};
use tracing_subscriber::fmt::{
    format::Writer,
    time::{FormatTime, SystemTime},
};

use super::{Call, LogWriter, Peer, code_name};
use crate::config::{self, Access, LogFormat};

/// Writes the lines.
#[derive(Debug, Clone)]
pub struct AccessLog {
    writer: LogWriter,
    access: Access,
    slow: Duration,
    format: LogFormat,
    colour: bool,
}

impl AccessLog {
    /// Writes what the settings ask for. `colour` is for text alone.
    pub fn new(settings: &config::Log, writer: LogWriter, colour: bool) -> Self {
        let config::Log { access, slow, format, .. } = *settings;
        Self { writer, access, slow, format, colour }
    }

    pub(super) fn writer(&self) -> &LogWriter {
        &self.writer
    }

    pub(super) fn ended(&self, call: &Call, took: Duration) {
        let Some(level) = self.level(call, took).filter(is_logged) else { return };
        thread_local! {
            static LINE: RefCell<String> = const { RefCell::new(String::new()) };
        }
        LINE.with_borrow_mut(|line| {
            line.clear();
            let line = Line { text: line, format: self.format, colour: self.colour };
            let text = line.encode(level, call, took).expect("text takes all that is written");
            // It never fails.
            let _ = (&self.writer).write_all(text.as_bytes());
        });
    }

    /// Nothing where the call leaves no line.
    fn level(&self, call: &Call, took: Duration) -> Option<Level> {
        let failed = call.code != Code::Ok;
        if !call.method.is_own() && call.method.is_known() {
            // Probes would bury all else. A watch that its client ends has not failed.
            let failed = failed && call.code != Code::Cancelled;
            return match self.access {
                Access::All if !failed => Some(Level::DEBUG),
                Access::All | Access::Errors if failed => Some(Level::INFO),
                _ => None,
            };
        }
        if took > self.slow {
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

/// By `log.level`, or `RUST_LOG`.
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
    fn encode(mut self, level: Level, call: &Call, took: Duration) -> Result<&'a str, fmt::Error> {
        self.begin(level)?;
        self.quoted("method", call.path())?;
        self.quoted("code", code_name(call.code))?;
        if let Some(Peer { address, subject }) = &call.peer {
            self.address("peer", *address)?;
            if let Some(subject) = subject {
                self.quoted("subject", subject)?;
            }
        }
        let progress = &call.progress;
        self.milliseconds("ms", took)?;
        self.milliseconds("queue_ms", progress.waited().unwrap_or_default())?;
        self.milliseconds("work_ms", progress.time_at_work().unwrap_or_default())?;
        self.number("bytes_in", progress.bytes_in())?;
        self.number("bytes_out", call.bytes_out)?;
        if let Some(deadline) = progress.deadline_given() {
            self.milliseconds("deadline_ms", deadline)?;
        }
        self.quoted("request_id", &call.request_id.to_string())?;
        if let Some(trace_id) = call.trace_id() {
            self.quoted("trace_id", &trace_id)?;
        }
        self.text.push_str(match self.format {
            LogFormat::Json => "}\n",
            LogFormat::Text => "\n",
        });
        Ok(self.text)
    }

    fn begin(&mut self, level: Level) -> fmt::Result {
        match self.format {
            LogFormat::Json => {
                self.text.push_str("{\"timestamp\":\"");
                SystemTime.format_time(&mut Writer::new(self.text))?;
                write!(self.text, "\",\"level\":\"{level}\",\"message\":\"call\"")
            }
            LogFormat::Text => {
                let (dim, colour, plain) = match (self.colour, level) {
                    (false, _) => ("", "", ""),
                    (true, Level::WARN) => ("\x1b[2m", "\x1b[33m", "\x1b[0m"),
                    (true, Level::INFO) => ("\x1b[2m", "\x1b[32m", "\x1b[0m"),
                    (true, _) => ("\x1b[2m", "\x1b[34m", "\x1b[0m"),
                };
                self.text.push_str(dim);
                SystemTime.format_time(&mut Writer::new(self.text))?;
                write!(self.text, "{plain} {colour}{:>5}{plain} call", level.as_str())
            }
        }
    }

    fn name(&mut self, name: &str) {
        let (before, after) = match self.format {
            LogFormat::Json => (",\"", "\":"),
            LogFormat::Text => (" ", "="),
        };
        self.text.push_str(before);
        self.text.push_str(name);
        self.text.push_str(after);
    }

    fn quoted(&mut self, name: &str, value: &str) -> fmt::Result {
        self.name(name);
        let plain = |byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if value.bytes().all(plain) {
            self.text.push('"');
            self.text.push_str(value);
            self.text.push('"');
            return Ok(());
        }
        // Its escapes are those of JSON.
        write!(self.text, "{}", serde_json::Value::from(value))
    }

    fn address(&mut self, name: &str, address: SocketAddr) -> fmt::Result {
        self.name(name);
        match self.format {
            LogFormat::Json => write!(self.text, "\"{address}\""),
            LogFormat::Text => write!(self.text, "{address}"),
        }
    }

    fn number(&mut self, name: &str, number: u64) -> fmt::Result {
        self.name(name);
        write!(self.text, "{number}")
    }

    /// To the microsecond: finer than a person reads them.
    fn milliseconds(&mut self, name: &str, time: Duration) -> fmt::Result {
        self.name(name);
        let microseconds = time.as_micros();
        write!(self.text, "{}.{:03}", microseconds / 1000, microseconds % 1000)
    }
}
