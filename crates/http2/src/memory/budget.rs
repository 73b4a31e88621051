//! The budget of a process.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicIsize, AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    kind::{MemoryKind, NoMemory},
    state::ShareState,
};

/// A connection gets more memory only if this many times its own bytes stay free.
const LEFT: usize = 8;

/// A connection is closed for a new one only if it holds more than this many times the bytes that
/// the new one takes.
const HEAVY: usize = 4;

/// A limit in bytes for everything that peers make a process hold.
///
/// The more a connection holds, the more must stay free: eight times as much, up to an eighth of
/// the budget. So a small call finds room when large connections have taken all that they can.
/// Idle connections together never take more than three quarters.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    /// Up to this many used bytes, a connection gets memory however much it holds.
    ordinary: usize,
    used: AtomicIsize,
    by_kind: [AtomicIsize; MemoryKind::ALL.len()],
    refused: [AtomicU64; MemoryKind::ALL.len()],
    shares: Mutex<Shares>,
}

#[derive(Debug, Default)]
struct Shares {
    next: u64,
    /// By number. A share removes itself.
    open: BTreeMap<u64, Weak<ShareState>>,
    /// The share whose connection was asked to close last.
    ending: Weak<ShareState>,
}

impl Budget {
    /// Returns a budget of which nothing is used.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            ordinary: limit - limit / 8,
            used: AtomicIsize::new(0),
            by_kind: Default::default(),
            refused: Default::default(),
            shares: Mutex::default(),
        })
    }

    /// Returns the limit in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the bytes that are in use.
    pub fn used(&self) -> usize {
        count(&self.used)
    }

    /// Returns the bytes that are in use for one kind.
    pub fn used_for(&self, kind: MemoryKind) -> usize {
        count(&self.by_kind[kind as usize])
    }

    /// Returns how often memory of this kind was refused.
    pub fn refused(&self, kind: MemoryKind) -> u64 {
        self.refused[kind as usize].load(Relaxed)
    }

    /// Returns whether less than half would be in use with `more` bytes. If so, windows may grow.
    pub(crate) fn has_plenty(&self, more: usize) -> bool {
        self.used() + more < self.limit / 2
    }

    /// Adds a connection that takes `bytes` itself. Returns its number.
    ///
    /// # Errors
    ///
    /// Returns an error if connections alone would take more than three quarters of the budget, or
    /// if it is used up and no connection can be closed for the new one.
    pub(super) fn add_share(&self, state: &Arc<ShareState>, bytes: usize) -> Result<u64, NoMemory> {
        let mut shares = self.lock();
        let is_idle_full = self.used_for(MemoryKind::Connections) + bytes > self.limit / 4 * 3;
        let is_full = self.used() + bytes > self.limit;
        if is_idle_full || (is_full && !shares.end_heaviest(HEAVY * bytes)) {
            self.count_refusal(MemoryKind::Connections);
            return Err(NoMemory);
        }
        Ok(shares.add(state))
    }

    /// Adds a connection without checking the limit. Returns its number.
    pub(super) fn add_share_beyond(&self, state: &Arc<ShareState>) -> u64 {
        self.lock().add(state)
    }

    fn lock(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().expect("nothing panics while it is locked")
    }

    /// Returns whether a share that holds `held` bytes may hold `more`.
    #[inline]
    pub(super) fn has_room(&self, held: usize, more: usize) -> bool {
        self.has_room_beside(self.used(), held, more)
    }

    #[inline]
    fn has_room_beside(&self, used: usize, held: usize, more: usize) -> bool {
        // Mostly there is enough room for any connection, whatever it holds.
        used + more <= self.ordinary || self.has_room_for(used, held, more)
    }

    #[cold]
    fn has_room_for(&self, used: usize, held: usize, more: usize) -> bool {
        let left = (held + more).saturating_mul(LEFT).min(self.limit - self.ordinary);
        used + more + left <= self.limit
    }

    /// Takes bytes for a share that holds `held` bytes. Returns whether there was room.
    pub(super) fn take(&self, kind: MemoryKind, held: usize, bytes: usize) -> bool {
        let has_taken = self.used.fetch_update(Relaxed, Relaxed, |used| {
            let before = used.try_into().unwrap_or(0);
            self.has_room_beside(before, held, bytes).then_some(used + bytes as isize)
        });
        match has_taken {
            Ok(_) => self.by_kind[kind as usize].fetch_add(bytes as isize, Relaxed),
            Err(_) => return false,
        };
        true
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.used() > self.limit
    }

    /// Counts bytes that are taken, or given back if they are negative.
    pub(super) fn add(&self, kind: MemoryKind, bytes: isize) {
        self.used.fetch_add(bytes, Relaxed);
        self.by_kind[kind as usize].fetch_add(bytes, Relaxed);
    }

    pub(super) fn count_refusal(&self, kind: MemoryKind) {
        self.refused[kind as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn remove_share(&self, number: u64) {
        self.lock().open.remove(&number);
    }

    /// Returns whether a connection that holds `held` bytes is one of those that hold the most: at
    /// least half as much as the heaviest. If not, asks the heaviest to close. Only one closes at a
    /// time, because it takes a moment until its memory is free.
    pub(super) fn is_heavy(&self, held: usize) -> bool {
        let mut shares = self.lock();
        let most = shares.heaviest().map_or(0, |share| share.held());
        let is_heavy = held >= most / 2;
        if !is_heavy {
            shares.end_heaviest(held);
        }
        is_heavy
    }
}

impl Shares {
    fn add(&mut self, state: &Arc<ShareState>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.open.insert(number, Arc::downgrade(state));
        number
    }

    fn heaviest(&self) -> Option<Arc<ShareState>> {
        self.open.values().filter_map(Weak::upgrade).max_by_key(|share| share.held())
    }

    /// Asks the connection that holds the most to close, if it holds more than `least` bytes and no
    /// other is closing. Returns whether it was asked.
    fn end_heaviest(&mut self, least: usize) -> bool {
        if self.ending.strong_count() > 0 {
            return false;
        }
        let Some(heaviest) = self.heaviest().filter(|share| share.held() > least) else {
            return false;
        };
        heaviest.end();
        self.ending = Arc::downgrade(&heaviest);
        true
    }
}

/// Returns a total, or 0 if it is negative. It can be negative for a moment, if bytes are read
/// before the connection has counted them.
fn count(total: &AtomicIsize) -> usize {
    total.load(Relaxed).try_into().unwrap_or(0)
}
