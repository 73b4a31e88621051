//! Frames (RFC 9113, sections 4 and 6).

mod head;
mod limits;
mod payload;
mod put;
mod settings;

pub(crate) use head::{Head, flag, kind};
pub(crate) use limits::{HEAD_LENGTH, INITIAL_WINDOW, MAX_PAYLOAD, MAX_STREAM, MAX_WINDOW};
pub(crate) use payload::{number, strip_padding, strip_priority};
pub(crate) use put::{
    head_bytes, put_goaway, put_head, put_ping, put_reset, put_settings, put_settings_ack,
    put_window_update,
};
pub(crate) use settings::PeerSettings;
