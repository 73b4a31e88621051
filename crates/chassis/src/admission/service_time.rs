//! The recent service time.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// A new call counts for one part in `WEIGHT` of the average, so that about the last eight calls
/// count.
const WEIGHT: u64 = 8;

/// The moving average of how long calls hold a worker, or streams a slot.
#[derive(Debug, Default)]
pub(super) struct ServiceTime {
    /// In nanoseconds; 0 until a call has finished.
    average: AtomicU64,
    first_start: OnceLock<Instant>,
}

impl ServiceTime {
    /// Records that a call begins, and returns the time.
    pub(super) fn start(&self) -> Instant {
        let now = Instant::now();
        self.first_start.get_or_init(|| now);
        now
    }

    /// Adds the time of a call that has ended.
    pub(super) fn record(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        let next = |average: u64| {
            Some(if average == 0 { took } else { average - average / WEIGHT + took / WEIGHT })
        };
        // Never fails, because the closure always returns a value.
        let _ = self.average.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// Returns the average. Until a call has finished, it is the time that the first has
    /// taken so far.
    pub(super) fn average(&self) -> Duration {
        match self.average.load(Ordering::Relaxed) {
            0 => self.first_start.get().map_or(Duration::ZERO, Instant::elapsed),
            average => Duration::from_nanos(average),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_moves_the_average_by_an_eighth_of_the_difference() {
        let time = ServiceTime::default();
        let ms = Duration::from_millis;
        time.record(ms(800));
        assert_eq!(time.average(), ms(800), "the first is the average");
        time.record(ms(1600));
        assert_eq!(time.average(), ms(900));
        time.record(ms(100));
        assert_eq!(time.average(), ms(800));
    }
}
