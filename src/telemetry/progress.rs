//! What only the layers within know of a call, for the one that reports it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How far a call has come. With the body of its request, in an `Arc`.
///
/// Everything is zero until it has happened, and right at every moment: a call may
/// be given up anywhere.
#[derive(Debug)]
pub struct Progress {
    start: Instant,
    deadline: OnceLock<Instant>,
    deadline_given: Lap,
    wait_began: Lap,
    waited: Lap,
    worked: Lap,
    bytes_in: AtomicU64,
}

impl Default for Progress {
    fn default() -> Self {
        Self::since(Instant::now())
    }
}

impl Progress {
    pub(super) fn since(start: Instant) -> Self {
        Self {
            start,
            deadline: OnceLock::new(),
            deadline_given: Lap::default(),
            wait_began: Lap::default(),
            waited: Lap::default(),
            worked: Lap::default(),
            bytes_in: AtomicU64::new(0),
        }
    }

    /// The caller gave the call this time.
    pub fn gave_deadline(&self, time: Duration) {
        self.deadline_given.set(time);
    }

    /// The call ends then at the latest.
    pub fn ends_at(&self, deadline: Instant) {
        // There is one layer that says so.
        let _ = self.deadline.set(deadline);
    }

    /// When the call ends at the latest, once that is known.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get().copied()
    }

    /// So many bytes of messages have arrived.
    pub fn received(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The call waits for a worker until this is dropped.
    pub fn waiting(&self) -> Waiting<'_> {
        let since = Instant::now();
        self.wait_began.set(since - self.start);
        Waiting { since: Some(since), lap: &self.waited }
    }

    /// The call held a worker for this time.
    pub fn worked(&self, time: Duration) {
        self.worked.set(time);
    }

    /// When the call began.
    pub fn start(&self) -> Instant {
        self.start
    }

    pub(super) fn deadline_given(&self) -> Option<Duration> {
        self.deadline_given.get()
    }

    /// From the beginning of the call to that of its wait.
    pub(super) fn wait_began(&self) -> Duration {
        self.wait_began.get().unwrap_or_default()
    }

    /// Nothing for a call that never came to the queue.
    pub(super) fn waited(&self) -> Option<Duration> {
        self.waited.get()
    }

    /// Nothing for a call that never had a worker.
    pub(super) fn time_at_work(&self) -> Option<Duration> {
        self.worked.get()
    }

    pub(super) fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }
}

/// A wait, until it is dropped or its end is known.
#[derive(Debug)]
pub struct Waiting<'a> {
    since: Option<Instant>,
    lap: &'a Lap,
}

impl Waiting<'_> {
    /// It ended then.
    pub fn ended_at(mut self, end: Instant) {
        self.lap.set(self.since.take().map_or(Duration::ZERO, |since| end - since));
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(since) = self.since {
            self.lap.set(since.elapsed());
        }
    }
}

/// A time that is measured at most once: nanoseconds, and 0 until then.
#[derive(Debug, Default)]
struct Lap(AtomicU64);

impl Lap {
    fn set(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanoseconds.max(1), Ordering::Relaxed);
    }

    fn get(&self) -> Option<Duration> {
        let nanoseconds = self.0.load(Ordering::Relaxed);
        (nanoseconds > 0).then(|| Duration::from_nanos(nanoseconds))
    }
}
