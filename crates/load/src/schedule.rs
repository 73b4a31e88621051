//! When the calls of an open loop begin.

use std::{
    io,
    time::{Duration, Instant},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::{net::unix::pipe, task::consume_budget};

/// The times at which calls are due, at a constant rate. Each thread has a share of them.
///
/// It uses a timer of the system, because those of the runtime are up to a millisecond late,
/// which is longer than many calls take.
pub(super) struct Schedule {
    start: Instant,
    rate: f64,
    next: u64,
    step: u64,
    calls: u64,
    give_up: Option<Instant>,
    /// The timer of the system. tokio has no type for such a timer, but it is read as a pipe is.
    timer: pipe::Receiver,
    is_armed: bool,
}

impl Schedule {
    /// Returns the schedule of the calls `first`, `first + step` and so on, of `calls` in
    /// total. Calls that have not begun at `give_up` are left out.
    pub(super) fn new(
        start: Instant,
        rate: f64,
        calls: u64,
        first: usize,
        step: usize,
        give_up: Option<Instant>,
    ) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let timer = pipe::Receiver::from_owned_fd_unchecked(timer)?;
        let (next, step) = (first as u64, step as u64);
        Ok(Self { start, rate, next, step, calls, give_up, timer, is_armed: false })
    }

    /// Returns whether no call is left.
    pub(super) fn is_over(&self) -> bool {
        self.next >= self.calls || self.give_up.is_some_and(|end| Instant::now() > end)
    }

    /// Returns the number of calls that are left.
    pub(super) fn remaining(&self) -> u64 {
        self.calls.saturating_sub(self.next).div_ceil(self.step)
    }

    /// Waits until the next call is due, and returns that time. It is cancel safe.
    pub(super) async fn next(&mut self) -> io::Result<Instant> {
        // If the rate cannot be kept, this yields so that connections make progress.
        consume_budget().await;
        let due = self.start + Duration::from_secs_f64(self.next as f64 / self.rate);
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.next += self.step;
                self.is_armed = false;
                return Ok(due);
            }
            if !self.is_armed {
                timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once(left))?;
                self.is_armed = true;
            }
            self.timer.readable().await?;
            // The number of expirations is ignored: the clock decides whether the call is due.
            if self.timer.try_read(&mut [0; 8]).is_ok() {
                self.is_armed = false;
            }
        }
    }
}

fn once(after: Duration) -> Itimerspec {
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    Itimerspec {
        it_interval: zero,
        it_value: after.try_into().expect("a schedule is shorter than the clock's range"),
    }
}
