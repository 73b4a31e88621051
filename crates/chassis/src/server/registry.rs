//! The open connections of one listener: which are admitted, and which have to give way.
//!
//! A connection is idle if it has no call. At the limit, the one that has been idle the longest
//! is told to leave: its client gets GOAWAY, and connects again when it has a call. A connection
//! with a call is never chosen. If more than half have not begun HTTP/2, which is what a flood of
//! handshakes looks like, the oldest of these goes first.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::peer_counts::{PeerCounts, PeerKey};
use crate::{call::PeerAddress, http2::Activity};

/// How long a connection may take to begin HTTP/2 before it counts as idle.
const HANDSHAKE_GRACE: Duration = Duration::from_secs(1);

/// How long the client of an evicted connection has to close it.
const LEAVE_GRACE: Duration = Duration::from_secs(1);

/// The most connections that are on their way out at once. If more have to leave, the first of
/// them are stopped.
const MAX_LEAVING: usize = 64;

/// How many idle connections one search finds, so that a flood of connections does not cost a
/// search each.
const FOUND_AT_ONCE: usize = 64;

/// Fewer connections that have not begun HTTP/2 are no flood.
const MIN_FLOOD: usize = 3;

/// The time after a search that found nothing until the next.
const SEARCH_INTERVAL: Duration = Duration::from_millis(10);

/// Why a connection is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The limit of connections is reached, and none is idle.
    Full,
    /// The memory budget has no room, and none is idle.
    Memory,
    /// The peer has as many connections as one peer may have.
    Peer,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Entry {
    id: u64,
    /// `None` if the limit of each peer does not apply.
    peer: Option<PeerKey>,
    accepted: Instant,
    has_begun: AtomicBool,
    is_evicted: AtomicBool,
    activity: Arc<Activity>,
    leave: Notify,
    stop: Notify,
}

impl Entry {
    /// Returns the activity that HTTP/2 records of the connection.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Records that HTTP/2 has begun.
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Relaxed);
    }

    /// Waits until the connection has to end gracefully. Only one task may wait.
    pub(super) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Waits until the connection has to end at once. Only one task may wait.
    pub(super) async fn told_to_stop(&self) {
        self.stop.notified().await;
    }

    /// Returns whether the connection had to give way.
    pub(super) fn is_evicted(&self) -> bool {
        self.is_evicted.load(Relaxed)
    }

    /// Returns since when the connection has been idle, or `None` if it is not idle or gives way
    /// already.
    fn idle_since(&self) -> Option<Instant> {
        let is_beginning =
            || !self.has_begun.load(Relaxed) && self.accepted.elapsed() < HANDSHAKE_GRACE;
        self.activity.idle_since().filter(|_| !self.is_evicted() && !is_beginning())
    }

    fn evict(self: &Arc<Self>) {
        self.is_evicted.store(true, Relaxed);
        self.leave.notify_one();
        let entry = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                sleep(LEAVE_GRACE).await;
                let Some(entry) = entry.upgrade() else { return };
                // Calls that were on their way finish first.
                if entry.activity.streams() == 0 {
                    entry.stop.notify_one();
                }
            }
        });
    }
}

/// All open connections of a listener.
#[derive(Debug)]
pub(super) struct Registry {
    limit: usize,
    limit_per_peer: Option<usize>,
    open: Mutex<Open>,
    evicted: AtomicUsize,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Open {
    entries: HashMap<u64, Arc<Entry>>,
    last_id: u64,
    peers: PeerCounts,
    /// Connections that had not begun HTTP/2 when this list was last cleaned, the oldest first.
    beginning: VecDeque<u64>,
    /// Connections that were told to leave, the first one first.
    leaving: Vec<u64>,
    /// Connections that were told to stop, and are still open.
    stopping: Vec<u64>,
    /// Idle connections that a search has found, with the times since when; the oldest last.
    found: Vec<(Instant, u64)>,
    found_nothing: Option<Instant>,
}

impl Registry {
    /// Returns a registry for at most `limit` connections, which is not 0, and at most
    /// `limit_per_peer` of one peer.
    pub(super) fn new(limit: usize, limit_per_peer: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            limit_per_peer,
            open: Mutex::default(),
            evicted: AtomicUsize::new(0),
            ended: Notify::new(),
        })
    }

    /// Returns the highest limit with which there are at most `sockets` open sockets, also while
    /// connections leave.
    pub(super) fn limit_for(sockets: usize) -> usize {
        // A connection over the limit is open until it is refused.
        let sockets = sockets.saturating_sub(1);
        sockets.saturating_sub((sockets / 9).clamp(1, MAX_LEAVING)).max(1)
    }

    fn max_leaving(&self) -> usize {
        (self.limit / 8).clamp(1, MAX_LEAVING)
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn limit_per_peer(&self) -> Option<usize> {
        self.limit_per_peer
    }

    /// Returns how many connections are open and were not asked to close.
    pub(super) fn open_now(&self) -> usize {
        self.lock().staying()
    }

    /// Returns how many connections had to give way.
    pub(super) fn evicted(&self) -> usize {
        self.evicted.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().expect("nothing panics while it is locked")
    }

    /// Admits a connection, which is open until the value is dropped. At the limit, an idle one
    /// is told to leave.
    ///
    /// # Errors
    ///
    /// Returns why it is not admitted.
    pub(super) fn admit(self: &Arc<Self>, peer: PeerAddress) -> Result<Admitted, Refusal> {
        let peer = PeerKey::of(peer);
        let mut open = self.lock();
        if let Some((peer, limit)) = peer.zip(self.limit_per_peer)
            && open.peers.get(peer) >= limit
        {
            return Err(Refusal::Peer);
        }
        if open.staying() >= self.limit && !self.evict_from(&mut open) {
            return Err(Refusal::Full);
        }
        open.last_id += 1;
        let entry = Arc::new(Entry {
            id: open.last_id,
            peer,
            accepted: Instant::now(),
            has_begun: AtomicBool::new(false),
            is_evicted: AtomicBool::new(false),
            activity: Arc::default(),
            leave: Notify::new(),
            stop: Notify::new(),
        });
        if let Some(peer) = peer {
            open.peers.add(peer);
        }
        open.beginning.push_back(entry.id);
        if open.beginning.len() > 2 * open.entries.len() + 16 {
            open.clean_beginning();
        }
        open.entries.insert(entry.id, Arc::clone(&entry));
        Ok(Admitted { entry, registry: Arc::clone(self) })
    }

    /// Tells an idle connection to leave, because another resource is used up, such as file
    /// descriptors. Does nothing if one is leaving already.
    pub(super) fn evict(&self) {
        let mut open = self.lock();
        let is_one_leaving = open.stopping.len() + open.leaving.len() > 0;
        if !is_one_leaving {
            self.evict_from(&mut open);
        }
    }

    /// Tells an idle connection to leave, because a new one needs its memory. Returns whether there
    /// was one.
    pub(super) fn give_way(&self) -> bool {
        self.evict_from(&mut self.lock())
    }

    fn evict_from(&self, open: &mut Open) -> bool {
        if open.leaving.len() >= self.max_leaving() && !open.stop_one_that_leaves() {
            return false;
        }
        let entry = open.oldest_of_a_flood().or_else(|| open.longest_idle());
        let Some(entry) = entry else { return false };
        open.leaving.push(entry.id);
        entry.evict();
        self.evicted.fetch_add(1, Relaxed);
        true
    }

    /// Waits while too many connections that were asked to close are open: one more could exceed
    /// the system's limit of descriptors.
    pub(super) async fn room(&self) {
        let is_crowded = || {
            let open = self.lock();
            !open.stopping.is_empty() && open.entries.len() >= self.limit + self.max_leaving()
        };
        while is_crowded() {
            self.ended().await;
        }
    }

    /// Waits until a connection ends, or has ended since this was last called. Only one task may
    /// wait.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }

    fn remove(&self, entry: &Entry) {
        let mut open = self.lock();
        open.entries.remove(&entry.id);
        if let Some(peer) = entry.peer {
            open.peers.remove(peer);
        }
        open.leaving.retain(|id| *id != entry.id);
        open.stopping.retain(|id| *id != entry.id);
        drop(open);
        self.ended.notify_one();
    }
}

impl Open {
    fn staying(&self) -> usize {
        self.entries.len() - self.leaving.len() - self.stopping.len()
    }

    fn clean_beginning(&mut self) {
        let entries = &self.entries;
        let is_beginning =
            |entry: &Arc<Entry>| !entry.has_begun.load(Relaxed) && !entry.is_evicted();
        self.beginning.retain(|id| entries.get(id).is_some_and(is_beginning));
    }

    /// Returns the oldest connection that has not begun HTTP/2, if more than half have not.
    fn oldest_of_a_flood(&mut self) -> Option<Arc<Entry>> {
        let is_flood = |open: &Self| {
            open.beginning.len() >= MIN_FLOOD && 2 * open.beginning.len() > open.staying()
        };
        if !is_flood(self) {
            return None;
        }
        self.clean_beginning();
        let oldest = if is_flood(self) { self.beginning.pop_front() } else { None };
        self.entries.get(&oldest?).cloned()
    }

    /// Returns the connection that has been idle the longest.
    fn longest_idle(&mut self) -> Option<Arc<Entry>> {
        if let Some(entry) = self.next_found() {
            return Some(entry);
        }
        if self.found_nothing.is_some_and(|at| at.elapsed() < SEARCH_INTERVAL) {
            return None;
        }
        self.search();
        self.found_nothing = self.found.is_empty().then(Instant::now);
        self.next_found()
    }

    fn search(&mut self) {
        let idle = self.entries.iter().filter_map(|(id, entry)| Some((entry.idle_since()?, *id)));
        let mut idle: Vec<_> = idle.collect();
        if idle.len() > FOUND_AT_ONCE {
            idle.select_nth_unstable(FOUND_AT_ONCE);
            idle.truncate(FOUND_AT_ONCE);
        }
        idle.sort_unstable_by(|one, other| other.cmp(one));
        self.found = idle;
    }

    /// Returns the next connection of the search that has been idle since then.
    fn next_found(&mut self) -> Option<Arc<Entry>> {
        while let Some((since, id)) = self.found.pop() {
            if let Some(entry) = self.entries.get(&id)
                && entry.idle_since() == Some(since)
            {
                return Some(Arc::clone(entry));
            }
        }
        None
    }

    /// Stops the first of those that were told to leave and have no call. Returns whether there
    /// was one.
    fn stop_one_that_leaves(&mut self) -> bool {
        let entries = &self.entries;
        let position = self
            .leaving
            .iter()
            .position(|id| entries.get(id).is_some_and(|entry| entry.activity.streams() == 0));
        let Some(position) = position else { return false };
        let id = self.leaving.remove(position);
        if let Some(entry) = entries.get(&id) {
            entry.stop.notify_one();
            self.stopping.push(id);
        }
        true
    }
}

/// An open connection. It is removed from its registry when this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    entry: Arc<Entry>,
    registry: Arc<Registry>,
}

impl Admitted {
    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.registry.remove(&self.entry);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    fn peer() -> PeerAddress {
        PeerAddress::Ip(([127, 0, 0, 1], 1).into())
    }

    /// Opens a connection that has begun HTTP/2, and lets time pass.
    async fn open(registry: &Arc<Registry>) -> Admitted {
        let admitted = registry.admit(peer()).expect("it is admitted");
        admitted.entry().begin();
        advance(Duration::from_millis(100)).await;
        admitted
    }

    fn is_leaving(admitted: &Admitted) -> bool {
        admitted.entry().told_to_leave().now_or_never().is_some()
    }

    fn is_stopped(admitted: &Admitted) -> bool {
        admitted.entry().told_to_stop().now_or_never().is_some()
    }

    fn set_streams(admitted: &Admitted, streams: usize) {
        admitted.entry().activity().set_streams(streams);
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_was_idle_the_longest_gives_way() {
        let registry = Registry::new(3, None);
        let (first, second, third) =
            (open(&registry).await, open(&registry).await, open(&registry).await);
        set_streams(&first, 1);
        set_streams(&first, 0);
        let _fourth = open(&registry).await;
        assert!(is_leaving(&second) && !is_leaving(&first) && !is_leaving(&third));
        assert_eq!((registry.open_now(), registry.evicted()), (3, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_flood_of_handshakes_the_oldest_of_them_gives_way() {
        let registry = Registry::new(4, None);
        let idle = open(&registry).await;
        let flood: Vec<_> =
            (0..3).map(|_| registry.admit(peer()).expect("it is admitted")).collect();
        let _next = registry.admit(peer()).expect("one gives way");
        assert!(is_leaving(&flood[0]) && !is_leaving(&flood[1]) && !is_leaving(&idle));
        // Half of them are no flood.
        flood[1].entry().begin();
        flood[2].entry().begin();
        let _last = registry.admit(peer()).expect("one gives way");
        assert!(is_leaving(&idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_calls_does_not_give_way() {
        let registry = Registry::new(2, None);
        let (first, second) = (open(&registry).await, open(&registry).await);
        set_streams(&first, 1);
        set_streams(&second, 1);
        assert_eq!(registry.admit(peer()).expect_err("all have calls"), Refusal::Full);
        set_streams(&second, 0);
        advance(SEARCH_INTERVAL).await;
        let _third = open(&registry).await;
        assert!(is_leaving(&second) && !is_leaving(&first));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_begin_gives_way_after_a_while() {
        let registry = Registry::new(1, None);
        let silent = registry.admit(peer()).expect("it is the first");
        assert_eq!(registry.admit(peer()).expect_err("it may begin"), Refusal::Full);
        advance(HANDSHAKE_GRACE).await;
        let _second = open(&registry).await;
        assert!(is_leaving(&silent));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_keeps_its_connection_is_stopped_unless_it_has_calls() {
        let registry = Registry::new(1, None);
        let first = open(&registry).await;
        let _second = open(&registry).await;
        // A call was on its way.
        set_streams(&first, 1);
        sleep(LEAVE_GRACE * 2).await;
        assert!(is_leaving(&first) && !is_stopped(&first));
        set_streams(&first, 0);
        sleep(LEAVE_GRACE * 2).await;
        assert!(is_stopped(&first));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_leaves_few_connections_on_their_way_out() {
        let registry = Registry::new(16, None);
        let mut all = Vec::new();
        for _ in 0..64 {
            all.push(open(&registry).await);
        }
        assert_eq!((registry.open_now(), registry.evicted()), (16, 48));
        assert_eq!(all.iter().filter(|connection| is_leaving(connection)).count(), 48);
        assert_eq!(all.iter().filter(|connection| is_stopped(connection)).count(), 46);
        // The accept loop waits until these are gone.
        assert!(registry.room().now_or_never().is_none());
        all.drain(..46);
        assert!(registry.room().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_peer_is_refused_at_its_limit_and_others_are_not() {
        let registry = Registry::new(10, Some(2));
        let first = open(&registry).await;
        let _second = open(&registry).await;
        assert_eq!(registry.admit(peer()).expect_err("it has two"), Refusal::Peer);
        assert!(registry.admit(PeerAddress::Ip(([127, 0, 0, 2], 1).into())).is_ok());
        // All clients of a Unix socket can be one proxy.
        let local = PeerAddress::Unix { uid: 1 };
        let _admitted: Vec<_> =
            (0..3).map(|_| registry.admit(local).expect("it has no limit")).collect();
        drop(first);
        assert!(registry.admit(peer()).is_ok());
    }

    #[test]
    fn the_limit_leaves_sockets_for_connections_on_their_way_out() {
        for sockets in [3, 10, 19, 35, 100, 577, 1000, 19_000] {
            let registry = Registry::new(Registry::limit_for(sockets), None);
            let most = registry.limit + registry.max_leaving() + 1;
            assert!(most <= sockets && most + 2 >= sockets, "{most} of {sockets}");
        }
        assert_eq!(Registry::limit_for(0), 1);
    }
}
