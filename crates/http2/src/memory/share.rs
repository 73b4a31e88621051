//! What one connection holds of the budget.

use std::sync::Arc;

use super::{
    budget::Budget,
    kind::{MemoryKind, NoMemory},
    state::ShareState,
};

/// The share of one connection. Reservations of its calls keep it alive.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    number: u64,
    state: Arc<ShareState>,
}

/// What one connection holds at a moment, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HeldNow {
    /// Beyond the bytes that the share was opened with.
    pub(crate) connection: isize,
    pub(crate) heads: isize,
    pub(crate) bodies: isize,
    pub(crate) responses: isize,
}

/// The budget is exceeded, and this connection is one of those that hold the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Excess;

impl Share {
    /// Opens the share of a connection that takes `bytes` itself.
    ///
    /// # Errors
    ///
    /// Returns an error if connections alone would take more than three quarters of the budget, or
    /// if it is used up and no connection can be closed for the new one.
    pub fn open(budget: &Arc<Budget>, bytes: usize) -> Result<Arc<Self>, NoMemory> {
        let state = Arc::<ShareState>::default();
        let number = budget.add_share(&state, bytes)?;
        Ok(Self::new(budget, number, state, bytes))
    }

    /// Opens the share of a connection that takes `bytes` itself, even if the budget has no room,
    /// because another connection is closing and frees its memory soon.
    pub fn open_beyond(budget: &Arc<Budget>, bytes: usize) -> Arc<Self> {
        let state = Arc::<ShareState>::default();
        let number = budget.add_share_beyond(&state);
        Self::new(budget, number, state, bytes)
    }

    fn new(budget: &Arc<Budget>, number: u64, state: Arc<ShareState>, bytes: usize) -> Arc<Self> {
        let share = Self { budget: Arc::clone(budget), number, state };
        share.add(MemoryKind::Connections, bytes as isize);
        Arc::new(share)
    }

    /// Returns the budget.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Returns the bytes that the connection and its calls hold.
    pub fn held(&self) -> usize {
        self.state.held()
    }

    /// Reserves bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if the budget has no room for them.
    pub fn reserve(
        self: &Arc<Self>,
        kind: MemoryKind,
        bytes: usize,
    ) -> Result<Reservation, NoMemory> {
        let mut reservation = Reservation { share: Arc::clone(self), kind, bytes: 0 };
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    /// Returns whether the connection may hold this much more.
    #[inline]
    pub(crate) fn has_room(&self, more: usize) -> bool {
        self.budget.has_room(self.held(), more)
    }

    /// Takes bytes. Returns whether there was room.
    pub(crate) fn take(&self, kind: MemoryKind, bytes: usize) -> bool {
        let has_taken = self.budget.take(kind, self.held(), bytes);
        if has_taken {
            self.state.add(bytes as isize);
        }
        has_taken
    }

    pub(crate) fn count_refusal(&self, kind: MemoryKind) {
        self.budget.count_refusal(kind);
    }

    fn add(&self, kind: MemoryKind, bytes: isize) {
        self.state.add(bytes);
        self.budget.add(kind, bytes);
    }

    /// Replaces the counts of what the connection holds. Gives back `ahead` bytes, which were taken
    /// in advance as heads.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection holds more than before, the budget is exceeded, and the
    /// connection is one of those that hold the most.
    pub(crate) fn replace(
        &self,
        before: HeldNow,
        now: HeldNow,
        ahead: usize,
    ) -> Result<(), Excess> {
        let mut growth = 0;
        for (kind, before, now) in [
            (MemoryKind::Connections, before.connection, now.connection),
            (MemoryKind::Heads, before.heads, now.heads),
            (MemoryKind::Bodies, before.bodies, now.bodies),
            (MemoryKind::Responses, before.responses, now.responses),
        ] {
            if now != before {
                self.add(kind, now - before);
                growth += now - before;
            }
        }
        if ahead > 0 {
            self.add(MemoryKind::Heads, -(ahead as isize));
        }
        if growth > 0 && self.budget.is_exceeded() && self.budget.is_heavy(self.held()) {
            return Err(Excess);
        }
        Ok(())
    }

    /// Records that bytes of bodies were read, maybe before the connection has counted them.
    pub(crate) fn body_read(&self, bytes: usize) {
        self.add(MemoryKind::Bodies, -(bytes as isize));
    }

    /// Resolves when the connection has to close, because it holds the most.
    pub async fn ending(&self) {
        self.state.ending().await;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.remove_share(self.number);
        // The rest is the connection's own, because each reservation keeps the share alive.
        self.add(MemoryKind::Connections, -(self.held() as isize));
    }
}

/// A reservation of bytes in the budget. Dropping it gives them back.
#[derive(Debug)]
pub struct Reservation {
    share: Arc<Share>,
    kind: MemoryKind,
    bytes: usize,
}

impl Reservation {
    /// Returns the bytes that are reserved.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reserves more.
    ///
    /// # Errors
    ///
    /// Returns an error if the budget has no room for it.
    pub fn grow(&mut self, bytes: usize) -> Result<(), NoMemory> {
        if !self.share.take(self.kind, bytes) {
            self.share.count_refusal(self.kind);
            return Err(NoMemory);
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Keeps at most `bytes`, and returns the rest as another reservation.
    #[must_use]
    pub fn split_off(&mut self, bytes: usize) -> Self {
        let kept = self.bytes.min(bytes);
        let rest = self.bytes - kept;
        self.bytes = kept;
        Self { share: Arc::clone(&self.share), kind: self.kind, bytes: rest }
    }

    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        if bytes < self.bytes {
            self.share.add(self.kind, bytes as isize - self.bytes as isize);
            self.bytes = bytes;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(budget: &Arc<Budget>, bytes: usize) -> Result<Arc<Share>, NoMemory> {
        Share::open(budget, bytes)
    }

    #[test]
    fn connections_leave_a_quarter_for_calls() {
        let budget = Budget::new(1000);
        let shares: Vec<_> = (0..7).map(|_| open(&budget, 100).expect("there is room")).collect();
        assert_eq!(open(&budget, 100).map(drop), Err(NoMemory));
        assert_eq!(budget.refused(MemoryKind::Connections), 1);
        assert_eq!((budget.used(), budget.used_for(MemoryKind::Connections)), (700, 700));
        drop(shares);
        assert_eq!(budget.used(), 0);
        assert!(open(&budget, 100).is_ok());
    }

    #[test]
    fn the_more_a_connection_holds_the_more_is_left_beside_it() {
        let budget = Budget::new(1600);
        let reserve = |share: &Arc<Share>, bytes| share.reserve(MemoryKind::Messages, bytes);
        let large = open(&budget, 0).expect("there is room");
        let held = reserve(&large, 1400).expect("an eighth is left");
        assert_eq!(reserve(&large, 1).map(drop), Err(NoMemory));
        let small = open(&budget, 0).expect("there is room");
        // 200 are free, and 20 need nine times 20.
        let mut first = reserve(&small, 20).expect("it holds little");
        assert_eq!(first.grow(20), Err(NoMemory));
        let smaller = open(&budget, 0).expect("there is room");
        assert!(reserve(&smaller, 10).is_ok());
        assert_eq!(budget.refused(MemoryKind::Messages), 2);
        drop((held, first));
        assert_eq!(budget.used_for(MemoryKind::Messages), 0);
    }

    #[test]
    fn a_new_connection_ends_the_one_that_holds_the_most_if_the_budget_is_used_up() {
        let budget = Budget::new(1000);
        let large = open(&budget, 700).expect("there is room");
        let [small, other] = [20, 20].map(|bytes| open(&budget, bytes).expect("there is room"));
        for share in [&small, &other] {
            share.add(MemoryKind::Messages, 130);
        }
        let _new = open(&budget, 5).expect("one ends for it");
        assert!(large.state.is_ending() && !small.state.is_ending() && !other.state.is_ending());
        // The memory of the closing connection is not free yet.
        assert_eq!(open(&budget, 5).map(drop), Err(NoMemory));
        drop(large);
        assert!(open(&budget, 5).is_ok());
    }

    #[test]
    fn the_connection_that_holds_the_most_is_asked_to_close() {
        let budget = Budget::new(100_000);
        let shares: Vec<_> = (0..3).map(|_| open(&budget, 10).expect("there is room")).collect();
        let _held = shares[1].reserve(MemoryKind::Bodies, 100).expect("there is room");
        assert!(!budget.is_heavy(shares[0].held()));
        assert_eq!(
            shares.iter().map(|share| share.state.is_ending()).collect::<Vec<_>>(),
            [false, true, false]
        );
        assert!(budget.is_heavy(shares[1].held()));
        // Only one is asked at a time.
        let _more = shares[2].reserve(MemoryKind::Bodies, 1000).expect("there is room");
        assert!(!budget.is_heavy(shares[0].held()));
        assert!(!shares[2].state.is_ending());
    }
}
