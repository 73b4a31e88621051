//! The streams that were closed by a reset a short time ago.

use std::collections::VecDeque;

/// How many streams are remembered: enough for those of one round trip.
const REMEMBERED: usize = 256;

/// Who closed a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClosedBy {
    /// This side reset it: the peer may not know yet, and its frames are discarded (RFC 9113,
    /// section 5.1).
    Reset,
    /// The peer reset it: it must not send any more frames.
    PeerReset,
    /// Both sides ended it.
    End,
    /// It was reset, or ended, too long ago to be remembered.
    Forgotten,
}

/// Streams that were reset, the oldest first. Any other closed stream was ended by both sides, or
/// is forgotten.
#[derive(Debug, Default)]
pub(super) struct ClosedStreams {
    reset: VecDeque<(u32, ClosedBy)>,
    /// The highest stream that is no longer remembered.
    forgotten: u32,
}

impl ClosedStreams {
    /// Remembers a stream that was reset.
    pub(super) fn add(&mut self, stream: u32, by: ClosedBy) {
        if let Some((_, at)) = self.reset.iter_mut().find(|(id, _)| *id == stream) {
            *at = by;
            return;
        }
        if self.reset.len() == REMEMBERED
            && let Some((oldest, _)) = self.reset.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest);
        }
        self.reset.push_back((stream, by));
    }

    /// Returns who closed a stream that is closed.
    pub(super) fn find(&self, stream: u32) -> ClosedBy {
        match self.reset.iter().find(|(id, _)| *id == stream) {
            Some((_, by)) => *by,
            None if stream <= self.forgotten => ClosedBy::Forgotten,
            None => ClosedBy::End,
        }
    }
}
