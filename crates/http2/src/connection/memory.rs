//! What a connection holds of the memory budget.

use std::mem;

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

/// By how many bytes a connection may grow in a turn before it takes them from the budget: small
/// calls often begin and end in one turn.
const MAX_NOT_TAKEN: usize = 64 * 1024;

/// How many bytes more than needed a connection takes from the budget, for the rest of a turn.
const AHEAD: usize = 512 * 1024;

impl Core {
    /// Takes room in the budget for something that can be refused. Returns whether there is room.
    ///
    /// The bytes are counted at the end of the turn, with all others. Large amounts are taken from
    /// the budget at once, because other threads take from it too.
    #[must_use]
    #[inline]
    pub(super) fn take_room(&mut self, kind: MemoryKind, bytes: usize) -> bool {
        let growth = self.not_counted + bytes;
        if growth <= self.ahead || (growth <= MAX_NOT_TAKEN && self.share.has_room(growth)) {
            self.not_counted = growth;
            return true;
        }
        self.take_room_now(kind, growth)
    }

    /// Takes the growth of the connection in this turn from the budget.
    #[cold]
    fn take_room_now(&mut self, kind: MemoryKind, growth: usize) -> bool {
        let not_taken = growth.saturating_sub(self.ahead);
        // More than needed if there is room, so that a turn with many calls does this only once.
        let taken = [not_taken + AHEAD, not_taken]
            .into_iter()
            .find(|bytes| self.share.take(MemoryKind::Heads, *bytes));
        if let Some(taken) = taken {
            self.ahead += taken;
            self.not_counted = growth;
        } else {
            self.share.count_refusal(kind);
        }
        taken.is_some()
    }

    /// Counts what the connection holds at the end of a turn.
    ///
    /// `partial` is the length of an incomplete frame.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection has to end because of the memory that it holds.
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
        let ahead = mem::take(&mut self.ahead);
        if now == self.held_before && ahead == 0 {
            return Ok(());
        }
        let before = mem::replace(&mut self.held_before, now);
        self.share.replace(before, now, ahead)
    }

    /// Ends the connection, because the budget is used up and this is one of the connections that
    /// hold the most.
    pub(super) fn end_for_memory(&mut self) {
        if matches!(self.life, Life::Closing) {
            return;
        }
        let abuse = Abuse::Memory;
        let (reason, debug) = (Reason::ENHANCE_YOUR_CALM, abuse.name());
        self.fail(Failure { ended: Ended::Abused(abuse), reason, debug });
    }
}
