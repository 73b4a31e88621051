//! A peer that takes none of the bytes that wait to be written.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// The timer for a transport that takes nothing. It runs only while bytes wait.
#[derive(Debug)]
pub(super) struct Stall {
    longest: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    /// Returns the timer; a time of zero is no limit.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, timer: None }
    }

    /// Resolves if `waiting` bytes wait to be written, and none of them was written for too long.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        waiting: usize,
        has_progress: bool,
    ) -> Poll<()> {
        if waiting == 0 {
            self.timer = None;
            return Poll::Pending;
        }
        if self.longest.is_zero() {
            return Poll::Pending;
        }
        let longest = self.longest;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(longest)));
        if has_progress {
            timer.as_mut().reset(Instant::now() + longest);
        }
        timer.as_mut().poll(cx)
    }
}
