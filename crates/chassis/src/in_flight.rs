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
    cutting: CancellationToken,
    open: TaskTracker,
}

/// How many calls of services there were since the start of the process.
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

    /// Ends every call in flight, and every later one, with UNAVAILABLE.
    pub(crate) fn cut(&self) {
        self.0.cutting.cancel();
    }

    /// Waits until no call is in flight.
    pub(crate) async fn idle(&self) {
        self.0.open.close();
        self.0.open.wait().await;
    }

    /// Begins a call. Only `counted` calls are in [`Counts`].
    pub(crate) fn begin(&self, counted: bool) -> InFlightGuard {
        if counted {
            self.0.started.fetch_add(1, Ordering::AcqRel);
        }
        let calls = Arc::clone(&self.0);
        InFlightGuard { calls, counted, was_cut: false, _open: self.0.open.token() }
    }
}

/// One call in flight. The call has ended when this is dropped.
#[derive(Debug)]
pub(crate) struct InFlightGuard {
    calls: Arc<Shared>,
    counted: bool,
    was_cut: bool,
    // Dropped after the call has been counted, because fields are dropped last.
    _open: TaskTrackerToken,
}

impl InFlightGuard {
    /// Resolves when the drain cuts the calls that are left.
    pub(crate) fn cutting(&self) -> WaitForCancellationFutureOwned {
        self.calls.cutting.clone().cancelled_owned()
    }

    /// Records that the drain has cut this call.
    pub(crate) fn set_cut(&mut self) {
        self.was_cut = true;
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        if self.counted {
            let ended = if self.was_cut { &self.calls.cut } else { &self.calls.finished };
            ended.fetch_add(1, Ordering::AcqRel);
        }
    }
}
