//! How busy a thread is.

use std::{
    fs,
    time::{Duration, Instant},
};

/// The time of this thread from its creation on.
pub(super) struct Busy {
    since: Instant,
    before: Option<Duration>,
}

impl Busy {
    pub(super) fn start() -> Self {
        Self { since: Instant::now(), before: busy() }
    }

    /// Which part of the time the same thread ran, or could not for want of a
    /// processor; nothing where the system does not say.
    pub(super) fn part(&self) -> Option<f64> {
        let spent = busy()?.checked_sub(self.before?)?;
        Some((spent.as_secs_f64() / self.since.elapsed().as_secs_f64()).min(1.0))
    }
}

/// Linux: Documentation/scheduler/sched-stats.rst, "/proc/<pid>/schedstat".
fn busy() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let mut numbers = text.split(' ').map(|number| number.parse().ok());
    let (running, waiting): (u64, u64) = (numbers.next()??, numbers.next()??);
    Some(Duration::from_nanos(running + waiting))
}
