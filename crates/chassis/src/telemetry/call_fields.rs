//! The fields of the access log.

use std::time::Duration;

use wire::code::code_name;

use crate::call::Call;

/// The message of each line.
pub(super) const MESSAGE: &str = "call";

/// The name of a value, and in the format of a line with the separators around it. Most of a line
/// is the same for each call, so it is put together at compile time.
#[derive(Clone, Copy)]
pub(super) struct Name {
    pub(super) key: &'static str,
    pub(super) json: &'static str,
    pub(super) text: &'static str,
}

macro_rules! name {
    ($name:literal) => {
        Name { key: $name, json: concat!(",\"", $name, "\":"), text: concat!(" ", $name, "=") }
    };
}
pub(super) use name;

/// What takes the fields of a call: a line of the log, or a log record.
pub(super) trait Fields {
    fn quoted(&mut self, name: Name, value: &str);
    /// Takes a value that needs no quotes in text and no escapes in JSON.
    fn plain(&mut self, name: Name, value: &str);
    fn number(&mut self, name: Name, number: u64);
    /// Takes a time, whose unit is the millisecond.
    fn milliseconds(&mut self, name: Name, time: Duration);
}

/// Passes all fields of a call that has ended, but the trace.
pub(super) fn visit(call: &Call, took: Duration, fields: &mut impl Fields) {
    fields.quoted(name!("method"), call.path());
    fields.quoted(name!("code"), code_name(call.code()));
    if let Some(peer) = call.peer() {
        fields.plain(name!("peer"), peer.text());
        if let Some(subject) = peer.identity() {
            fields.quoted(name!("subject"), subject);
        }
    }
    fields.milliseconds(name!("ms"), took);
    fields.milliseconds(name!("queue_ms"), call.waited().unwrap_or_default());
    fields.milliseconds(name!("work_ms"), call.worked().unwrap_or_default());
    if !call.method().is_unary() {
        fields.number(name!("messages_in"), call.messages_in());
        fields.number(name!("messages_out"), call.messages_out());
    }
    fields.number(name!("bytes_in"), call.bytes_in());
    fields.number(name!("bytes_out"), call.bytes_out());
    if let Some(timeout) = call.given_timeout() {
        fields.milliseconds(name!("deadline_ms"), timeout);
    }
    call.request_id().with_text(|id| fields.quoted(name!("request_id"), id));
}
