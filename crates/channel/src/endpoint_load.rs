//! The load of an endpoint: the calls to it, as least request and outlier detection count them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::host::Socket;

/// The time after which half of a failure's penalty is left.
///
/// A failed call costs as much as a call in flight, and then less and less: in sum as much as a
/// call that takes 1.4 s. A server that fails at once gets as few calls as one that takes 1.4 s
/// for each.
const HALF_LIFE: Duration = Duration::from_secs(1);
/// The cost of a call in flight, and the penalty of one failure. Penalties are rounded down: that
/// of one failure is 0 after 6 s, and an idle server gets its share of calls again.
const CALL: u64 = 64;
/// The number of low bits that hold the value of a penalty. The bits above hold its time.
const PENALTY_BITS: u32 = 16;

/// The load of an endpoint. Its connections share it, one after the other.
#[derive(Debug)]
pub(crate) struct EndpointLoad {
    socket: Socket,
    in_flight: AtomicU32,
    /// The penalty for failures: the time of the last failure, in milliseconds since `begun`, and
    /// the value at that time.
    penalty: AtomicU64,
    begun: Instant,
    succeeded: AtomicU32,
    failed: AtomicU32,
}

/// The socket that a call was sent to.
#[derive(Debug, Clone)]
pub struct Peer(Arc<EndpointLoad>);

/// An attempt that counts as in flight until it ends or is dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    load: Arc<EndpointLoad>,
    deadline: Option<Instant>,
    is_pending: bool,
}

impl EndpointLoad {
    pub(crate) fn new(socket: Socket) -> Arc<Self> {
        Arc::new(Self {
            socket,
            in_flight: AtomicU32::new(0),
            penalty: AtomicU64::new(0),
            begun: Instant::now(),
            succeeded: AtomicU32::new(0),
            failed: AtomicU32::new(0),
        })
    }

    /// Counts an attempt as in flight.
    pub(crate) fn begin(self: &Arc<Self>, deadline: Option<Instant>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight { load: Arc::clone(self), deadline, is_pending: true }
    }

    /// Returns the cost of one more call: the calls in flight, and more for recent failures.
    pub(crate) fn cost(&self, now: Instant) -> u64 {
        let penalty = self.penalty.load(Relaxed);
        let penalty = if penalty == 0 { 0 } else { self.decayed(penalty, now) };
        u64::from(self.in_flight.load(Relaxed)) * CALL + penalty
    }

    /// Returns the numbers of calls that have succeeded and failed, and resets both.
    pub(crate) fn take_outcomes(&self) -> (u32, u32) {
        (self.succeeded.swap(0, Relaxed), self.failed.swap(0, Relaxed))
    }

    fn record(&self, is_ok: bool) {
        let outcomes = if is_ok { &self.succeeded } else { &self.failed };
        outcomes.fetch_add(1, Relaxed);
        if !is_ok {
            let now = Instant::now();
            let more = |penalty| {
                let value = (self.decayed(penalty, now) + CALL).min((1 << PENALTY_BITS) - 1);
                Some(self.milliseconds(now) << PENALTY_BITS | value)
            };
            let _ = self.penalty.fetch_update(Relaxed, Relaxed, more);
        }
    }

    /// Returns the value that a penalty still has at `now`.
    fn decayed(&self, penalty: u64, now: Instant) -> u64 {
        let elapsed = self.milliseconds(now).saturating_sub(penalty >> PENALTY_BITS);
        let half_lives = elapsed as f32 / HALF_LIFE.as_millis() as f32;
        (f32::from(penalty as u16) * (-half_lives).exp2()) as u64
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begun).as_millis() as u64
    }
}

impl InFlight {
    /// Ends the attempt with the outcome of its status: as in gRFC A50, every status but OK is a
    /// failure.
    pub(crate) fn end(mut self, is_ok: bool) {
        self.is_pending = false;
        self.load.record(is_ok);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.load.in_flight.fetch_sub(1, Relaxed);
        // A pending attempt has reached its deadline, was cancelled, or was not sent. Only the
        // first is a failure.
        if self.is_pending && self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.load.record(false);
        }
    }
}

impl From<Arc<EndpointLoad>> for Peer {
    fn from(load: Arc<EndpointLoad>) -> Self {
        Self(load)
    }
}

impl PartialEq for Peer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.socket == other.0.socket
    }
}

impl Eq for Peer {}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.socket.fmt(f)
    }
}

#[cfg(test)]
mod tests;
