//! The share of its time that a thread is busy.

use std::{
    fs,
    time::{Duration, Instant},
};

/// Measures the current thread from the creation of this value on.
pub(super) struct BusyTime {
    since: Instant,
    before: Option<Duration>,
}

impl BusyTime {
    pub(super) fn start() -> Self {
        Self { since: Instant::now(), before: busy_time() }
    }

    /// Returns the share of the time in which the same thread ran or waited for a processor,
    /// or `None` if the system does not report it.
    pub(super) fn share(&self) -> Option<f64> {
        let spent = busy_time()?.checked_sub(self.before?)?;
        Some((spent.as_secs_f64() / self.since.elapsed().as_secs_f64()).min(1.0))
    }
}

/// Returns the time in which the current thread ran or waited for a processor (Linux:
/// Documentation/scheduler/sched-stats.rst, "/proc/<pid>/schedstat").
fn busy_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let mut numbers = text.split(' ').map(|number| number.parse().ok());
    let (running, waiting): (u64, u64) = (numbers.next()??, numbers.next()??);
    Some(Duration::from_nanos(running + waiting))
}
