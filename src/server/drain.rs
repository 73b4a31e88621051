//! The end: what is waited for, for how long, and what is said of it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::connection::Connections;
use crate::middleware::{Counts, InFlight};

/// How long answers may take to reach their callers once calls have been cut.
/// Part of the second beyond the bound in which the process ends.
const CUT_GRACE: Duration = Duration::from_millis(500);

/// What the drain did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainReport {
    /// Calls in flight when the drain began.
    pub in_flight: usize,
    /// Calls that finished during the drain.
    pub finished: usize,
    /// Calls that were answered UNAVAILABLE, or not at all, because the time was over.
    pub cut: usize,
    /// Connections open when the drain began.
    pub connections: usize,
    /// Connections that were closed though their peer had not agreed.
    pub connections_cut: usize,
    /// Connections that were refused in the whole life, for there were too many.
    pub connections_refused: usize,
    /// How long the drain took, without the time as a lame duck.
    pub took: Duration,
}

impl DrainReport {
    /// Whether every call had its own answer.
    pub fn is_clean(&self) -> bool {
        self.cut == 0
    }

    /// Logs the report, as one line.
    pub fn log(&self) {
        tracing::info!(
            clean = self.is_clean(),
            in_flight = self.in_flight,
            finished = self.finished,
            cut = self.cut,
            connections = self.connections,
            connections_cut = self.connections_cut,
            connections_refused = self.connections_refused,
            took = %humantime::format_duration(Duration::from_millis(self.took.as_millis() as u64)),
            "drained"
        );
    }
}

/// A drain that has begun.
#[derive(Debug)]
pub(super) struct Drain {
    connections: Arc<Connections>,
    in_flight: InFlight,
    start: Instant,
    calls: Counts,
    open: usize,
}

impl Drain {
    /// Begins to count. The state is draining already.
    pub(super) fn begin(connections: Arc<Connections>, in_flight: InFlight) -> Self {
        connections.open.close();
        Self {
            start: Instant::now(),
            calls: in_flight.counts(),
            open: connections.open.len(),
            connections,
            in_flight,
        }
    }

    /// Waits until every connection has ended by itself.
    pub(super) async fn idle(&self) {
        self.connections.open.wait().await;
    }

    /// Ends whatever is left: calls with a status, then connections.
    pub(super) async fn end(self) -> DrainReport {
        if self.in_flight.counts().in_flight() > 0 {
            self.in_flight.cut();
            // What came of it is in the report.
            let _ = timeout(CUT_GRACE, self.idle()).await;
        }
        let unanswered = self.in_flight.counts().in_flight();
        self.connections.stop.cancel();
        let _ = timeout(CUT_GRACE / 2, self.idle()).await;

        let calls = self.in_flight.counts();
        let cut = calls.cut + unanswered;
        DrainReport {
            in_flight: self.calls.in_flight(),
            finished: calls.started.saturating_sub(self.calls.finished + cut),
            cut,
            connections: self.open,
            connections_cut: self.connections.counts.cut.load(Ordering::Relaxed),
            connections_refused: self.connections.counts.refused.load(Ordering::Relaxed),
            took: self.start.elapsed(),
        }
    }
}
