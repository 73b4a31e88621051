//! What a peer did wrong.

use crate::reason::Reason;

/// A rule that the peer broke. The variant says whether the connection or only a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    /// The connection cannot go on (RFC 9113, section 5.4.1).
    Connection(Reason, &'static str),
    /// The stream cannot go on (RFC 9113, section 5.4.2).
    Stream(Reason),
}

impl Violation {
    /// Returns the connection error with the code PROTOCOL_ERROR.
    pub(crate) fn protocol(what: &'static str) -> Self {
        Self::Connection(Reason::PROTOCOL_ERROR, what)
    }

    /// Returns the connection error with the code FRAME_SIZE_ERROR.
    pub(crate) fn frame_size(what: &'static str) -> Self {
        Self::Connection(Reason::FRAME_SIZE_ERROR, what)
    }

    /// Returns the connection error with the code COMPRESSION_ERROR.
    pub(crate) fn compression(what: &'static str) -> Self {
        Self::Connection(Reason::COMPRESSION_ERROR, what)
    }

    /// Returns the stream error of a malformed message (RFC 9113, section 8.1.1).
    pub(crate) fn malformed() -> Self {
        Self::Stream(Reason::PROTOCOL_ERROR)
    }
}
