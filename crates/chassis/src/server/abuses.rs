//! Connections that were ended for what their peers did.

use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::http2::Abuse;

/// The shortest time between two lines of the log: peers decide how often it happens.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Counts and logs the connections that were ended.
#[derive(Debug, Default)]
pub(super) struct Abuses {
    counts: [AtomicUsize; Abuse::ALL.len()],
    logged: Mutex<Option<Instant>>,
}

impl Abuses {
    /// Records the end of a connection.
    pub(super) fn record(&self, peer: SocketAddr, abuse: Abuse) {
        self.counts[position(abuse)].fetch_add(1, Relaxed);
        let reason = abuse.name();
        if self.is_line_due() {
            tracing::info!(%peer, reason, "a connection was ended for what its peer did");
        } else {
            tracing::debug!(%peer, reason, "a connection was ended for what its peer did");
        }
    }

    fn is_line_due(&self) -> bool {
        let mut logged = self.logged.lock().expect("nothing panics while it is locked");
        let is_due = logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL);
        if is_due {
            *logged = Some(Instant::now());
        }
        is_due
    }

    /// Returns the names of the reasons, and how many connections were ended for each.
    pub(super) fn counts(&self) -> [(&'static str, f64); Abuse::ALL.len()] {
        Abuse::ALL.map(|abuse| (abuse.name(), self.counts[position(abuse)].load(Relaxed) as f64))
    }
}

fn position(abuse: Abuse) -> usize {
    Abuse::ALL.iter().position(|at| *at == abuse).expect("`ALL` has all")
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_is_counted_and_a_line_is_due_once_a_second() {
        let abuses = Abuses::default();
        assert!(abuses.is_line_due());
        assert!(!abuses.is_line_due());
        advance(LOG_INTERVAL).await;
        assert!(abuses.is_line_due());
        for _ in 0..3 {
            abuses.record(([127, 0, 0, 1], 1).into(), Abuse::Resets);
        }
        assert_eq!(abuses.counts()[0], ("resets", 3.0));
    }
}
