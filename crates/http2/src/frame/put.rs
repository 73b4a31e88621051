//! Writing frames.

use super::{
    head::{flag, kind},
    limits::HEAD_LENGTH,
};
use crate::reason::Reason;

/// Returns the head of a frame.
#[inline]
pub(crate) fn head_bytes(length: usize, kind: u8, flags: u8, stream: u32) -> [u8; HEAD_LENGTH] {
    let [_, a, b, c] = (length as u32).to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    [a, b, c, kind, flags, d, e, f, g]
}

/// Adds the head of a frame.
#[inline]
pub(crate) fn put_head(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    out.extend_from_slice(&head_bytes(length, kind, flags, stream));
}

/// Adds the acknowledgement of SETTINGS.
pub(crate) fn put_settings_ack(out: &mut Vec<u8>) {
    put_head(out, 0, kind::SETTINGS, flag::ACK, 0);
}

/// Adds SETTINGS, each an identifier and a value.
pub(crate) fn put_settings(out: &mut Vec<u8>, settings: &[(u16, u32)]) {
    put_head(out, settings.len() * 6, kind::SETTINGS, 0, 0);
    for (identifier, value) in settings {
        out.extend_from_slice(&identifier.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Adds RST_STREAM.
pub(crate) fn put_reset(out: &mut Vec<u8>, stream: u32, reason: Reason) {
    put_head(out, 4, kind::RST_STREAM, 0, stream);
    out.extend_from_slice(&reason.code().to_be_bytes());
}

/// Adds WINDOW_UPDATE, of the connection if `stream` is 0.
pub(crate) fn put_window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    put_head(out, 4, kind::WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&increment.to_be_bytes());
}

/// Adds PING, or its acknowledgement.
pub(crate) fn put_ping(out: &mut Vec<u8>, payload: [u8; 8], is_ack: bool) {
    put_head(out, payload.len(), kind::PING, if is_ack { flag::ACK } else { 0 }, 0);
    out.extend_from_slice(&payload);
}

/// Adds GOAWAY.
pub(crate) fn put_goaway(out: &mut Vec<u8>, last_stream: u32, reason: Reason, debug: &str) {
    put_head(out, 8 + debug.len(), kind::GOAWAY, 0, 0);
    out.extend_from_slice(&last_stream.to_be_bytes());
    out.extend_from_slice(&reason.code().to_be_bytes());
    out.extend_from_slice(debug.as_bytes());
}
