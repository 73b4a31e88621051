//! Why a body breaks off.

use std::fmt;

use crate::reason::Reason;

/// Why a body does not arrive in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// The stream was reset: by the peer, or because the peer broke a rule.
    Reset(Reason),
    /// The connection has ended.
    ConnectionEnded,
    /// The memory budget has no room for the rest of it.
    NoMemory,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset(reason) => write!(f, "the stream was reset: {reason}"),
            Self::ConnectionEnded => f.write_str("the connection has ended"),
            Self::NoMemory => f.write_str("the memory budget is used up"),
        }
    }
}

impl std::error::Error for BodyError {}
