//! What a connection holds of the memory budget.

use super::{
    core::Core,
    fragments::Fragments,
    life::{Failure, Life},
};
use crate::{
    abuse::Abuse,
    ended::Ended,
    inbox::BUFFER_FACTOR,
    memory::{Excess, HeldNow, MemoryKind},
    reason::Reason,
};

impl Core {
    /// Takes room in the budget for something that can be refused. Returns whether there is room.
    ///
    /// It is counted at the end of the turn, with all else.
    #[must_use]
    pub(super) fn take_room(&mut self, kind: MemoryKind, bytes: usize) -> bool {
        let has_room = self.share.has_room(self.not_counted + bytes);
        if has_room {
            self.not_counted += bytes;
        } else {
            self.share.count_refusal(kind);
        }
        has_room
    }

    /// Counts what the connection holds at the end of a turn.
    ///
    /// `partial` bytes of a frame have arrived.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection has to end for what it holds.
    pub(super) fn count_held(&mut self, partial: usize) -> Result<(), Excess> {
        let block = self.header_block.as_ref().map_or(0, Fragments::len);
        let tables = self.decoder.memory() + self.encoder.memory() + self.repeated_head.memory();
        let now = HeldNow {
            connection: (tables + partial) as isize,
            heads: (self.call_memory + block) as isize,
            bodies: (BUFFER_FACTOR * self.receive_window.occupied()) as isize,
            responses: (self.pending_bytes + self.output.len()) as isize,
        };
        self.not_counted = 0;
        if now == self.held_before {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.held_before, now);
        self.share.replace(before, now)
    }

    /// Ends the connection, because the budget is used up and it is one of those that hold the most.
    pub(super) fn end_for_memory(&mut self) {
        if matches!(self.life, Life::Closing) {
            return;
        }
        let abuse = Abuse::Memory;
        let (reason, debug) = (Reason::ENHANCE_YOUR_CALM, abuse.name());
        self.fail(Failure { ended: Ended::Abused(abuse), reason, debug });
    }
}
