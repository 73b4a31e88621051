//! How long calls have taken of late.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Each call moves the average by this part of its distance from it: the last
/// eight calls or so are what counts.
const WEIGHT: u64 = 8;

/// The moving average of the time that calls hold a worker.
#[derive(Debug, Default)]
pub(super) struct ServiceTime {
    /// In nanoseconds; 0 as long as no call has finished.
    average: AtomicU64,
    first_start: OnceLock<Instant>,
}

impl ServiceTime {
    pub(super) fn start(&self) -> Instant {
        let now = Instant::now();
        self.first_start.get_or_init(|| now);
        now
    }

    pub(super) fn record(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        let next = |average: u64| {
            Some(if average == 0 { took } else { average - average / WEIGHT + took / WEIGHT })
        };
        // The closure never refuses.
        let _ = self.average.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// The average, or, as long as no call has finished, the time that the first
    /// has taken until now.
    pub(super) fn average(&self) -> Duration {
        match self.average.load(Ordering::Relaxed) {
            0 => self.first_start.get().map_or(Duration::ZERO, Instant::elapsed),
            average => Duration::from_nanos(average),
        }
    }
}
