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

/// Evenly spread moments. Each of several threads has its part of them.
///
/// It has a timer of the system's: those of the runtime are up to a millisecond late,
/// which is longer than many calls take.
pub(super) struct Schedule {
    start: Instant,
    rate: f64,
    next: u64,
    step: u64,
    calls: u64,
    give_up: Option<Instant>,
    /// No pipe, and read like one.
    timer: pipe::Receiver,
    is_armed: bool,
}

impl Schedule {
    /// The moments `first`, `first + step` and so on, of `calls` in all. What is still
    /// due at `give_up` is left out.
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

    pub(super) fn is_over(&self) -> bool {
        self.next >= self.calls || self.give_up.is_some_and(|end| Instant::now() > end)
    }

    /// How many moments are left.
    pub(super) fn left(&self) -> u64 {
        self.calls.saturating_sub(self.next).div_ceil(self.step)
    }

    /// Waits for the next moment and returns it. What is cancelled is not lost.
    pub(super) async fn due(&mut self) -> io::Result<Instant> {
        // A schedule that cannot be kept is not to keep the connections from working.
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
            // How often it went off is of no interest: the clock decides.
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
