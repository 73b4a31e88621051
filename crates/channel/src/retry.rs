//! Which calls are retried, and when (gRFC A6).

use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::{backoff::Backoff, throttle::Throttle};

/// The maximum number of attempts per call, which is the highest that gRFC A6 allows.
pub const MAX_ATTEMPTS: u32 = 5;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The response has begun, so that the attempt decides the outcome of the call.
    Committed,
    /// The attempt failed with this status before a response began.
    Failed(Code, Pushback),
    /// Nothing was sent.
    NotSent,
    /// The request was sent, and the server's library did not pass it to a handler.
    NotProcessed,
}

/// The server's pushback: when it wants the retry (`grpc-retry-pushback-ms`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushback {
    /// The server has sent none.
    None,
    After(Duration),
    Never,
}

impl Pushback {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(PUSHBACK) else { return Self::None };
        // "If the value for pushback is negative or unparseable, then it will be
        // seen as the server asking the client not to retry at all."
        let milliseconds = value.to_str().ok().and_then(|text| text.parse::<i32>().ok());
        match milliseconds.and_then(|milliseconds| u64::try_from(milliseconds).ok()) {
            Some(milliseconds) => Self::After(Duration::from_millis(milliseconds)),
            None => Self::Never,
        }
    }
}

/// The retries of one call.
#[derive(Debug)]
pub(crate) struct Retries<'a> {
    throttle: &'a Throttle,
    deadline: Option<Instant>,
    max_attempts: u32,
    /// Attempts that have failed, without transparent retries.
    previous: u32,
    backoff: Backoff,
    /// Whether a request that was sent can be sent again.
    is_repeatable: bool,
    used_transparent_retry: bool,
}

impl<'a> Retries<'a> {
    pub(crate) fn new(
        throttle: &'a Throttle,
        max_attempts: u32,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            throttle,
            deadline,
            max_attempts,
            previous: 0,
            backoff: Backoff::new(FIRST_BACKOFF, MAX_BACKOFF),
            is_repeatable: true,
            used_transparent_retry: false,
        }
    }

    /// Returns the number of attempts that have failed, without transparent retries.
    pub(crate) fn previous(&self) -> u32 {
        self.previous
    }

    /// Allows no further attempt, because the request body has been consumed.
    pub(crate) fn commit(&mut self) {
        self.is_repeatable = false;
    }

    /// Waits for the time of the next attempt. Returns `false` if there is none.
    pub(crate) async fn next_attempt(&mut self, verdict: Verdict) -> bool {
        match self.delay_after(verdict) {
            None => return false,
            Some(Duration::ZERO) => {}
            Some(delay) => sleep(delay).await,
        }
        true
    }

    /// Returns the delay before the next attempt, or `None` if there is none.
    fn delay_after(&mut self, verdict: Verdict) -> Option<Duration> {
        let (code, pushback) = match verdict {
            Verdict::Committed => {
                self.throttle.record_success();
                return None;
            }
            Verdict::NotSent if self.is_repeatable => return Some(Duration::ZERO),
            Verdict::NotProcessed if self.is_repeatable && !self.used_transparent_retry => {
                self.used_transparent_retry = true;
                return Some(Duration::ZERO);
            }
            Verdict::NotSent | Verdict::NotProcessed => (Code::Unavailable, Pushback::None),
            Verdict::Failed(code, pushback) => (code, pushback),
        };
        // gRFC A6 lets the owner of a service choose the codes. RESOURCE_EXHAUSTED is retried only
        // with a pushback.
        let retryable = match code {
            Code::Unavailable => true,
            Code::ResourceExhausted => matches!(pushback, Pushback::After(_)),
            _ => false,
        };
        if !retryable && pushback != Pushback::Never {
            return None;
        }
        let allowed = self.throttle.record_failure();
        if !self.is_repeatable || self.previous + 1 >= self.max_attempts || !allowed {
            return None;
        }
        let delay = match pushback {
            Pushback::Never => return None,
            Pushback::After(delay) => {
                self.backoff.reset();
                delay
            }
            Pushback::None => self.backoff.next(),
        };
        // A wait until the deadline would replace this status by DEADLINE_EXCEEDED, which says
        // less.
        if self.deadline.is_some_and(|deadline| Instant::now() + delay >= deadline) {
            return None;
        }
        self.previous += 1;
        Some(delay)
    }
}

#[cfg(test)]
mod tests;
