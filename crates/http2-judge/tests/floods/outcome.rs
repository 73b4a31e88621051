//! The result of a flood.

/// The result of a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server takes no more streams: the error code of its GOAWAY, or `None` without one.
    Ended(Option<u32>),
    /// The server reads no more.
    Stalled,
    /// The server has read all of it, and is open.
    Lives,
}

impl Outcome {
    /// Returns whether the connection has ended with an error.
    pub(crate) fn is_error(self) -> bool {
        matches!(self, Self::Ended(Some(1..)))
    }

    /// Returns whether the connection has ended, with an error or gracefully.
    pub(crate) fn is_ended(self) -> bool {
        matches!(self, Self::Ended(_))
    }
}
