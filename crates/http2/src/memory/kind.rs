//! The kinds of memory.

use std::fmt;

/// What memory is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemoryKind {
    /// Connections themselves: their state, TLS, tables of header fields, frames that have not
    /// arrived in full.
    Connections,
    /// Requests: their header fields, and the state of their calls.
    Heads,
    /// Bodies of requests that have arrived and were not read.
    Bodies,
    /// Messages that are being assembled or decompressed, are queued, or are with a handler.
    Messages,
    /// Responses that the peer has not read.
    Responses,
}

impl MemoryKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Connections, Self::Heads, Self::Bodies, Self::Messages, Self::Responses];

    /// Returns the name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Heads => "heads",
            Self::Bodies => "bodies",
            Self::Messages => "messages",
            Self::Responses => "responses",
        }
    }
}

/// The budget has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMemory;

impl fmt::Display for NoMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the memory budget is used up")
    }
}

impl std::error::Error for NoMemory {}
