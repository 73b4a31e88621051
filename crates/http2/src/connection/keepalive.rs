//! Keepalive: PING to a silent peer, and a timeout for its acknowledgement (RFC 9113, section
//! 6.7).

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// The payload of the PING.
pub(super) const KEEPALIVE_PING: [u8; 8] = *b"are you?";

/// What is to be done for the keepalive.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A PING is to be sent.
    Ping,
    /// The peer did not acknowledge the last one in time.
    TimedOut,
}

/// The timer of a connection. Idle connections are checked as well, because they count for the
/// limit of connections.
#[derive(Debug)]
pub(super) struct Keepalive {
    interval: Duration,
    timeout: Duration,
    /// When the peer was last active.
    active: Instant,
    /// When the last PING was sent, if it is not acknowledged yet.
    sent: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Keepalive {
    /// Returns the keepalive, or `None` if the interval is zero.
    pub(super) fn new(interval: Duration, timeout: Duration) -> Option<Self> {
        let active = Instant::now();
        (!interval.is_zero()).then(|| Self {
            interval,
            timeout,
            active,
            sent: None,
            timer: Box::pin(sleep_until(active + interval)),
        })
    }

    /// Records that the peer has sent something.
    pub(super) fn record_activity(&mut self) {
        self.active = Instant::now();
    }

    /// Records that no PING waits for its acknowledgement.
    pub(super) fn set_acknowledged(&mut self) {
        if self.sent.take().is_some() {
            self.timer.as_mut().reset(self.active + self.interval);
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        while self.timer.as_mut().poll(cx).is_ready() {
            if let Some(sent) = self.sent {
                // If the peer sends much, its acknowledgement may be queued behind other frames.
                let due = self.active + self.timeout;
                if self.active > sent && Instant::now() < due {
                    self.timer.as_mut().reset(due);
                    continue;
                }
                return Poll::Ready(Due::TimedOut);
            }
            // Activity does not move the timer, because that would cost more than this check.
            let due = self.active + self.interval;
            let now = Instant::now();
            if now >= due {
                self.sent = Some(now);
                self.timer.as_mut().reset(now + self.timeout);
                return Poll::Ready(Due::Ping);
            }
            self.timer.as_mut().reset(due);
        }
        Poll::Pending
    }
}
