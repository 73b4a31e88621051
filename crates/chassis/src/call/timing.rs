//! Times of a call that are measured at most once.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A duration that is set at most once, in nanoseconds; 0 until then.
#[derive(Debug, Default)]
pub(super) struct OnceDuration(AtomicU64);

impl OnceDuration {
    pub(super) fn set(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanoseconds.max(1), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Option<Duration> {
        let nanoseconds = self.0.load(Ordering::Relaxed);
        (nanoseconds > 0).then(|| Duration::from_nanos(nanoseconds))
    }
}
