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

/// A connection that holds no more than this holds little, in bytes: itself, and a few small
/// calls.
const SMALL_SHARE: usize = 128 * 1024;

/// A limit in bytes for everything that peers make a process hold.
///
/// An eighth of it is only for connections that hold little, so that one more small call finds
/// room when other connections have taken all that they can. A quarter is never taken by
/// connections that do nothing.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
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
    /// The one that was told to end last.
    ending: Weak<ShareState>,
}

impl Budget {
    /// Returns a budget of which nothing is used.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
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

    /// Returns how many requests, messages, responses or connections were refused.
    pub fn refused(&self, kind: MemoryKind) -> u64 {
        self.refused[kind as usize].load(Relaxed)
    }

    /// Returns whether less than half is in use, with `more`, so that windows may grow.
    pub(crate) fn has_plenty(&self, more: usize) -> bool {
        self.used() + more < self.limit / 2
    }

    /// Adds a connection that takes `bytes` itself. Returns its number.
    ///
    /// # Errors
    ///
    /// Returns an error if a quarter of the budget would not be left for calls.
    pub(super) fn add_share(&self, state: &Arc<ShareState>, bytes: usize) -> Result<u64, NoMemory> {
        if self.used() + bytes > self.limit - self.limit / 4 {
            self.count_refusal(MemoryKind::Connections);
            return Err(NoMemory);
        }
        let mut shares = self.lock();
        let number = shares.next;
        shares.next += 1;
        shares.open.insert(number, Arc::downgrade(state));
        Ok(number)
    }

    fn lock(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().expect("nothing panics while it is locked")
    }

    /// Returns whether a share that holds `held` bytes may hold `more`.
    #[inline]
    pub(super) fn has_room(&self, held: usize, more: usize) -> bool {
        let limit =
            if held + more <= SMALL_SHARE { self.limit } else { self.limit - self.limit / 8 };
        self.used() + more <= limit
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

    /// Returns whether a connection that holds `held` bytes is one of those that hold the most,
    /// or else tells the one that holds the most to end. One at a time, because it takes a moment
    /// until its memory is there.
    pub(super) fn is_heavy(&self, held: usize) -> bool {
        let mut shares = self.lock();
        let open = shares.open.values().filter_map(Weak::upgrade);
        let Some(heaviest) = open.max_by_key(|share| share.held()) else { return true };
        let is_heavy = held >= heaviest.held() / 2;
        if !is_heavy && shares.ending.strong_count() == 0 {
            heaviest.end();
            shares.ending = Arc::downgrade(&heaviest);
        }
        is_heavy
    }
}

/// Returns a total. It can be negative for a moment, if bytes are read before the connection has
/// counted them.
fn count(total: &AtomicIsize) -> usize {
    total.load(Relaxed).try_into().unwrap_or(0)
}
