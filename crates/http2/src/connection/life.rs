//! The life of a connection: when it takes streams, and how it ends.

use crate::{ended::Ended, reason::Reason};

/// The states of a connection.
#[derive(Debug)]
pub(super) enum Life {
    /// It takes streams.
    Open,
    /// The peer was told to open no more streams, and may have opened some before it knew (RFC
    /// 9113, section 6.8).
    Announced,
    /// Streams above the last are ignored. The connection ends when no other is left.
    Leaving { last: u32 },
    /// The output that waits is written, and then the connection is closed.
    Closing,
}

impl Life {
    /// Returns whether a new stream with this identifier is ignored.
    pub(super) fn ignores(&self, stream: u32) -> bool {
        match self {
            Self::Leaving { last } => stream > *last,
            Self::Closing => true,
            Self::Open | Self::Announced => false,
        }
    }
}

/// Why this side ends a connection at once.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) ended: Ended,
    /// What the peer is told.
    pub(super) reason: Reason,
    pub(super) debug: &'static str,
}
