//! The end: what is waited for, for how long, and what is said of it.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use super::connection::{Connections, Endings};
use crate::middleware::{Counts, InFlight};

/// How long answers may take to reach their callers once calls have been cut,
/// and peers to agree to the end of their connections where there was no time
/// for a drain. Part of the second beyond the bound in which the process ends.
const CUT_GRACE: Duration = Duration::from_millis(500);

/// How long what is dropped then may take to be gone.
const DROP_GRACE: Duration = Duration::from_millis(250);

/// What the drain did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainReport {
    /// Calls in flight when the drain began.
    pub in_flight: usize,
    /// Calls that finished during the drain.
    pub finished: usize,
    /// Calls that were answered UNAVAILABLE, or not at all, for the time was over.
    pub cut: usize,
    /// Connections open when the drain began.
    pub connections: usize,
    /// How connections ended: in the drain, or, of those that were refused or
    /// not accepted, in the whole life.
    pub endings: Endings,
    /// How long the drain took, without the time as a lame duck.
    pub took: Duration,
}

impl DrainReport {
    /// Whether nothing was cut: every call had its own answer, and no connection
    /// was dropped that could have held the rest of one.
    pub fn is_clean(&self) -> bool {
        self.cut == 0 && self.endings.cut == 0
    }

    /// Logs the report, as one line.
    pub fn log(&self) {
        tracing::info!(
            clean = self.is_clean(),
            in_flight = self.in_flight,
            finished = self.finished,
            cut = self.cut,
            connections = self.connections,
            connections_closed = self.endings.closed,
            connections_failed = self.endings.failed,
            connections_cut = self.endings.cut,
            connections_refused = self.endings.refused,
            connections_not_accepted = self.endings.not_accepted,
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
    start: Instant,
    calls: Counts,
    open: usize,
    endings: Endings,
}

impl Drain {
    /// Begins to count. The state is draining already.
    pub(super) fn begin(connections: Arc<Connections>, in_flight: InFlight) -> Self {
        connections.tasks.close();
        Self {
            start: Instant::now(),
            calls: in_flight.counts(),
            open: connections.tasks.len(),
            endings: connections.endings(),
            connections,
            in_flight,
        }
    }

    /// Waits until every connection has ended by itself, and then every call: a
    /// call whose connection is gone has yet to see that.
    pub(super) async fn idle(&self) {
        self.connections.tasks.wait().await;
        self.in_flight.idle().await;
    }

    /// Ends whatever is left: calls with a status, then connections.
    pub(super) async fn end(self) -> DrainReport {
        self.in_flight.cut();
        // What came of it is in the report.
        let _ = timeout(CUT_GRACE, self.idle()).await;
        // From here on, no call has its answer any more.
        let calls = self.in_flight.counts();
        let cut = calls.cut + calls.in_flight();
        self.connections.stop.cancel();
        let _ = timeout(DROP_GRACE, self.idle()).await;
        let mut endings = self.connections.endings().since(self.endings);
        // Those that took no notice end with the process.
        endings.cut += self.connections.tasks.len();

        DrainReport {
            in_flight: self.calls.in_flight(),
            finished: calls.started.saturating_sub(self.calls.finished + cut),
            cut,
            connections: self.open,
            endings,
            took: self.start.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tower::Layer;

    use super::*;
    use crate::{
        config::{self, Layers},
        middleware::RecordLayer,
        server::{State, health::LifeHealth, lifecycle::Lifecycle, routes::Routes},
        telemetry::Telemetry,
    };

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_takes_no_notice_is_cut() {
        let settings = config::load(&Layers::default()).expect("valid").settings;
        let lifecycle = Lifecycle::new();
        let routes = Routes::health_alone(LifeHealth::new(lifecycle.watch()));
        let routes = RecordLayer::new(Telemetry::default()).layer(routes);
        let connections = Connections::new(routes, &settings, None, lifecycle, State::Draining);
        connections.tasks.spawn(pending::<()>());
        let report = Drain::begin(connections, InFlight::default()).end().await;
        assert_eq!((report.connections, report.endings.cut), (1, 1));
        assert!(!report.is_clean());
    }
}
