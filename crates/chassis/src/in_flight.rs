//! The calls in flight, which the drain waits for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFutureOwned},
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

/// The calls in flight of one server. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    started: AtomicUsize,
    finished: AtomicUsize,
    cut: AtomicUsize,
    /// Ends the calls of the chassis's own services.
    leaving: CancellationToken,
    cutting: CancellationToken,
    open: TaskTracker,
}

/// How many calls there were since the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Calls that have begun.
    pub(crate) started: usize,
    /// Calls that ended by themselves, or were cancelled by the caller.
    pub(crate) finished: usize,
    /// Calls that [`InFlight::cut`] ended.
    pub(crate) cut: usize,
}

impl Counts {
    pub(crate) fn in_flight(self) -> usize {
        self.started.saturating_sub(self.finished + self.cut)
    }
}

impl InFlight {
    pub(crate) fn counts(&self) -> Counts {
        // The ended calls are read first: read last, they could include a call that had not
        // begun when `started` was read.
        let finished = self.0.finished.load(Ordering::Acquire);
        let cut = self.0.cut.load(Ordering::Acquire);
        Counts { started: self.0.started.load(Ordering::Acquire), finished, cut }
    }

    /// Ends the calls of the chassis's own services, such as health, with UNAVAILABLE. They do not
    /// count as cut, because nothing is lost with them.
    pub(crate) fn end_own(&self) {
        self.0.leaving.cancel();
    }

    /// Ends every call in flight, and every later one, with UNAVAILABLE.
    pub(crate) fn cut(&self) {
        self.end_own();
        self.0.cutting.cancel();
    }

    /// Waits until no call is in flight.
    pub(crate) async fn idle(&self) {
        self.0.open.close();
        self.0.open.wait().await;
    }

    /// Begins a call. `is_own` is whether the chassis's own services serve it.
    pub(crate) fn begin(&self, is_own: bool) -> InFlightGuard {
        self.0.started.fetch_add(1, Ordering::AcqRel);
        let calls = Arc::clone(&self.0);
        InFlightGuard { calls, is_own, was_cut: false, _open: self.0.open.token() }
    }
}

/// One call in flight. The call has ended when this is dropped.
#[derive(Debug)]
pub(crate) struct InFlightGuard {
    calls: Arc<Shared>,
    is_own: bool,
    was_cut: bool,
    // Dropped after the call has been counted, because fields are dropped after `drop` has run.
    _open: TaskTrackerToken,
}

impl InFlightGuard {
    /// Resolves when the drain ends this call.
    pub(crate) fn cutting(&self) -> WaitForCancellationFutureOwned {
        let token = if self.is_own { &self.calls.leaving } else { &self.calls.cutting };
        token.clone().cancelled_owned()
    }

    /// Records that the drain has ended this call. The call counts as cut, unless one of the
    /// chassis's own services serves it.
    pub(crate) fn set_cut(&mut self) {
        self.was_cut = !self.is_own;
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let ended = if self.was_cut { &self.calls.cut } else { &self.calls.finished };
        ended.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use tokio_test::{assert_pending, assert_ready, task::spawn};

    use super::*;

    #[test]
    fn each_call_is_in_flight_until_it_ends_and_counts_once_by_how_it_ended() {
        let in_flight = InFlight::default();
        let mut calls: Vec<_> = (0..7).map(|_| in_flight.begin(false)).collect();
        assert_eq!(in_flight.counts(), Counts { started: 7, finished: 0, cut: 0 });
        assert_eq!(in_flight.counts().in_flight(), 7);
        calls[0].set_cut();
        calls[1].set_cut();
        calls.truncate(2);
        assert_eq!(in_flight.counts(), Counts { started: 7, finished: 5, cut: 0 });
        assert_eq!(in_flight.counts().in_flight(), 2);
        drop(calls);
        assert_eq!(in_flight.counts(), Counts { started: 7, finished: 5, cut: 2 });
        assert_eq!(in_flight.counts().in_flight(), 0);
    }

    #[test]
    fn own_calls_end_before_those_of_the_service_and_are_not_cut() {
        let in_flight = InFlight::default();
        let (mut own, call) = (in_flight.begin(true), in_flight.begin(false));
        let (mut own_ends, mut call_ends) = (spawn(own.cutting()), spawn(call.cutting()));
        assert_pending!(own_ends.poll());
        in_flight.end_own();
        assert!(own_ends.is_woken());
        assert_ready!(own_ends.poll());
        assert_pending!(call_ends.poll());
        own.set_cut();
        drop(own);
        assert_eq!(in_flight.counts(), Counts { started: 2, finished: 1, cut: 0 });

        in_flight.cut();
        assert!(call_ends.is_woken());
        assert_ready!(call_ends.poll());
    }

    #[test]
    fn a_cut_ends_own_calls_too() {
        let in_flight = InFlight::default();
        let own = in_flight.begin(true);
        in_flight.cut();
        assert_ready!(spawn(own.cutting()).poll());
    }

    #[test]
    fn the_server_is_idle_once_the_last_call_has_ended() {
        let in_flight = InFlight::default();
        let (first, last) = (in_flight.begin(false), in_flight.begin(false));
        let mut idle = spawn(in_flight.idle());
        assert_pending!(idle.poll());
        drop(first);
        assert_pending!(idle.poll());
        drop(last);
        assert_ready!(idle.poll());
    }
}
