//! The drain: the calls, connections and tasks that it waits for, its time limits, and its report.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use super::connections::{ConnectionCounts, Connections};
use crate::in_flight::{Counts, InFlight};

/// How long calls of the chassis's own services may hold up the drain. Their streams end by
/// themselves when it begins, unless their clients do not read; a check ends when its message has
/// arrived.
const OWN_CALLS_GRACE: Duration = Duration::from_secs(1);

/// How long responses may take to reach their clients after calls have been cut. If there was no
/// time for a drain, peers have this time to close their connections. The process ends within a
/// second after the time of the drain, and this is a part of that second.
const CUT_GRACE: Duration = Duration::from_millis(500);

/// How long the tasks of connections may take to end after they were stopped.
const STOP_GRACE: Duration = Duration::from_millis(250);

/// The report of a drain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainReport {
    /// Calls in flight when the drain began, those of the chassis's own services too.
    pub in_flight: usize,
    /// Calls that finished during the drain.
    pub finished: usize,
    /// Calls that were still in flight when the time of the drain had passed. They ended with
    /// UNAVAILABLE, or without a response.
    pub cut: usize,
    /// Connections open when the drain began.
    pub connections: usize,
    /// How connections ended during the drain; those that were refused or not accepted are
    /// counted from the start of the server.
    pub connection_counts: ConnectionCounts,
    /// Background tasks that did not end within the time of the drain.
    pub tasks_cut: usize,
    /// How long the drain took, without the time as a lame duck.
    pub took: Duration,
}

impl DrainReport {
    /// Returns whether nothing was cut: every call had its own response, no connection was
    /// dropped that could have carried the rest of one, and every background task ended.
    pub fn is_clean(&self) -> bool {
        self.cut == 0 && self.connection_counts.cut == 0 && self.tasks_cut == 0
    }

    /// Logs the report as one line.
    pub fn log(&self) {
        tracing::info!(
            clean = self.is_clean(),
            in_flight = self.in_flight,
            finished = self.finished,
            cut = self.cut,
            connections = self.connections,
            connections_closed = self.connection_counts.closed,
            connections_failed = self.connection_counts.failed,
            connections_cut = self.connection_counts.cut,
            connections_refused =
                self.connection_counts.refused + self.connection_counts.refused_peer,
            connections_not_accepted = self.connection_counts.not_accepted,
            tasks_cut = self.tasks_cut,
            took = ?self.took,
            "drained"
        );
    }
}

/// A drain that has begun.
#[derive(Debug)]
pub(super) struct Drain {
    connections: Arc<Connections>,
    in_flight: InFlight,
    tasks: TaskTracker,
    start: Instant,
    calls: Counts,
    open: usize,
    counts: ConnectionCounts,
}

impl Drain {
    /// Records the counts at the beginning of the drain.
    pub(super) fn begin(
        connections: Arc<Connections>,
        in_flight: InFlight,
        tasks: TaskTracker,
    ) -> Self {
        connections.tasks.close();
        tasks.close();
        Self {
            start: Instant::now(),
            calls: in_flight.counts(),
            open: connections.tasks.len(),
            counts: connections.counts(),
            connections,
            in_flight,
            tasks,
        }
    }

    /// Waits until every connection has ended by itself, then every call, and then every background
    /// task. Calls come after connections, because a call notices the end of its connection later.
    pub(super) async fn idle(&self) {
        let idle = async {
            self.connections.tasks.wait().await;
            self.in_flight.idle().await;
            self.tasks.wait().await;
        };
        let end_own_calls = async {
            sleep(OWN_CALLS_GRACE).await;
            self.in_flight.end_own();
        };
        tokio::pin!(idle);
        tokio::select! {
            () = &mut idle => return,
            () = end_own_calls => {}
        }
        idle.await;
    }

    /// Ends the calls that are left, with a status, and then the connections.
    pub(super) async fn end(self) -> DrainReport {
        self.in_flight.cut();
        // The report says whether this was enough.
        let _ = timeout(CUT_GRACE, self.idle()).await;
        // From here on, no call gets its response.
        let calls = self.in_flight.counts();
        let cut = calls.cut + calls.in_flight();
        let tasks_cut = self.tasks.len();
        self.connections.stop.cancel();
        let stopped = async {
            self.connections.tasks.wait().await;
            self.in_flight.idle().await;
        };
        let _ = timeout(STOP_GRACE, stopped).await;
        let mut counts = self.connections.counts().since(self.counts);
        // Connections that have not stopped by now end with the process.
        counts.cut += self.connections.tasks.len();

        DrainReport {
            in_flight: self.calls.in_flight(),
            finished: calls.started.saturating_sub(self.calls.finished + cut),
            cut,
            connections: self.open,
            connection_counts: counts,
            tasks_cut,
            took: self.start.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests;
