//! Which calls are tried again, and when: gRFC A6.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use http::HeaderMap;
use tokio::time::{Instant, sleep};
use tonic::Code;

use super::backoff::Backoff;

/// Attempts of a call in all, the most that gRFC A6 lets a client make.
pub const MAX_ATTEMPTS: u32 = 5;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the call's outcome, whatever it is: the response has begun.
    Committed,
    /// It ended with this status before a response had begun.
    Failed(Code, Pushback),
    /// It never left this process.
    NeverSent,
    /// It reached the server's library and nothing behind that.
    NotSeen,
}

/// What the server said of when to try again (`grpc-retry-pushback-ms`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushback {
    Unsaid,
    After(Duration),
    Never,
}

impl Pushback {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(PUSHBACK) else { return Self::Unsaid };
        // "If the value for pushback is negative or unparseable, then it will be
        // seen as the server asking the client not to retry at all."
        let milliseconds = value.to_str().ok().and_then(|text| text.parse::<i32>().ok());
        match milliseconds.and_then(|milliseconds| u64::try_from(milliseconds).ok()) {
            Some(milliseconds) => Self::After(Duration::from_millis(milliseconds)),
            None => Self::Never,
        }
    }
}

/// A6's token bucket: where most calls fail, retries would only add to the load.
#[derive(Debug)]
pub(super) struct Throttle {
    /// In tenths of a token.
    tokens: AtomicU32,
}

impl Throttle {
    const MAX: u32 = 100;
    const FAILURE: u32 = 10;
    const SUCCESS: u32 = 1;

    pub(super) fn new() -> Self {
        Self { tokens: AtomicU32::new(Self::MAX) }
    }

    fn succeeded(&self) {
        // The usual case writes nothing that other threads would have to read.
        if self.tokens.load(Relaxed) < Self::MAX {
            let more = |tokens: u32| Some((tokens + Self::SUCCESS).min(Self::MAX));
            let _ = self.tokens.fetch_update(Relaxed, Relaxed, more);
        }
    }

    /// Whether retries are still allowed.
    fn failed(&self) -> bool {
        let less = |tokens: u32| Some(tokens.saturating_sub(Self::FAILURE));
        let _ = self.tokens.fetch_update(Relaxed, Relaxed, less);
        self.tokens.load(Relaxed) > Self::MAX / 2
    }
}

/// The attempts of one call.
#[derive(Debug)]
pub(super) struct Retries<'a> {
    throttle: &'a Throttle,
    deadline: Option<Instant>,
    max_attempts: u32,
    attempts: u32,
    backoff: Backoff,
    retried_unseen: bool,
}

impl<'a> Retries<'a> {
    pub(super) fn new(
        throttle: &'a Throttle,
        max_attempts: u32,
        deadline: Option<Instant>,
    ) -> Self {
        let backoff = Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF);
        let (attempts, retried_unseen) = (0, false);
        Self { throttle, deadline, max_attempts, attempts, backoff, retried_unseen }
    }

    /// The attempts that have ended, without those that the server cannot have seen.
    pub(super) fn previous(&self) -> u32 {
        self.attempts
    }

    /// Whether to try again, once it is time to.
    pub(super) async fn again(&mut self, verdict: Verdict) -> bool {
        match self.wait_after(verdict) {
            None => return false,
            Some(Duration::ZERO) => {}
            Some(wait) => sleep(wait).await,
        }
        true
    }

    /// How long to wait for the next attempt, or nothing where there is none.
    fn wait_after(&mut self, verdict: Verdict) -> Option<Duration> {
        let (code, pushback) = match verdict {
            Verdict::Committed => {
                self.throttle.succeeded();
                return None;
            }
            Verdict::NeverSent => return Some(Duration::ZERO),
            Verdict::NotSeen if !self.retried_unseen => {
                self.retried_unseen = true;
                return Some(Duration::ZERO);
            }
            Verdict::NotSeen => (Code::Unavailable, Pushback::Unsaid),
            Verdict::Failed(code, pushback) => (code, pushback),
        };
        // A6 leaves the codes to whoever owns the service; a server that says when
        // to come back does so with RESOURCE_EXHAUSTED.
        let retryable = match code {
            Code::Unavailable => true,
            Code::ResourceExhausted => matches!(pushback, Pushback::After(_)),
            _ => false,
        };
        if !retryable && pushback != Pushback::Never {
            return None;
        }
        let allowed = self.throttle.failed();
        if self.attempts + 1 >= self.max_attempts || !allowed {
            return None;
        }
        let wait = match pushback {
            Pushback::Never => return None,
            Pushback::After(wait) => {
                self.backoff.reset();
                wait
            }
            Pushback::Unsaid => self.backoff.next(),
        };
        // Whoever waits past the deadline learns less, and later.
        if self.deadline.is_some_and(|deadline| Instant::now() + wait >= deadline) {
            return None;
        }
        self.attempts += 1;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNAVAILABLE: Verdict = Verdict::Failed(Code::Unavailable, Pushback::Unsaid);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn pushed_back(code: Code, milliseconds: u64) -> Verdict {
        Verdict::Failed(code, Pushback::After(ms(milliseconds)))
    }

    /// When each attempt was made, and the number that it was given, where the
    /// attempts end as the script says, and in success after that.
    async fn attempts(
        throttle: &Throttle,
        limit: Option<Duration>,
        script: &[Verdict],
    ) -> Vec<(Duration, u32)> {
        let start = Instant::now();
        let mut made = Vec::new();
        let mut retries = Retries::new(throttle, MAX_ATTEMPTS, limit.map(|limit| start + limit));
        loop {
            made.push((start.elapsed(), retries.previous()));
            let verdict = script.get(made.len() - 1).copied().unwrap_or(Verdict::Committed);
            if !retries.again(verdict).await {
                break;
            }
        }
        made
    }

    #[tokio::test(start_paused = true)]
    async fn unavailable_is_retried_with_waits_that_double_up_to_five_attempts() {
        let made = attempts(&Throttle::new(), None, &[UNAVAILABLE; 9]).await;
        assert_eq!(made.len(), 5);
        for (index, wait) in [100, 200, 400, 800].into_iter().enumerate() {
            let waited = made[index + 1].0 - made[index].0;
            // tokio's timers end on the next whole millisecond.
            assert!(waited >= ms(wait * 4 / 5) && waited <= ms(wait * 6 / 5 + 1), "{waited:?}");
            assert_eq!(made[index + 1].1 as usize, index + 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn other_codes_are_not_retried_whatever_their_pushback() {
        for verdict in [
            Verdict::Failed(Code::Internal, Pushback::Unsaid),
            Verdict::Failed(Code::ResourceExhausted, Pushback::Unsaid),
            pushed_back(Code::DeadlineExceeded, 1),
        ] {
            assert_eq!(attempts(&Throttle::new(), None, &[verdict]).await.len(), 1, "{verdict:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pushback_is_obeyed_to_the_millisecond_and_resets_the_backoff() {
        let script =
            [UNAVAILABLE, UNAVAILABLE, pushed_back(Code::ResourceExhausted, 1234), UNAVAILABLE];
        let made = attempts(&Throttle::new(), None, &script).await;
        assert_eq!(made.len(), 5);
        let waited = made[3].0 - made[2].0;
        assert!(waited >= ms(1234) && waited <= ms(1236), "{waited:?}");
        assert!(made[4].0 - made[3].0 <= ms(121), "{made:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pushback_that_says_never_ends_it() {
        let never = Verdict::Failed(Code::Unavailable, Pushback::Never);
        assert_eq!(attempts(&Throttle::new(), None, &[never]).await.len(), 1);
    }

    #[test]
    fn a_pushback_is_a_number_or_it_says_never() {
        for (text, pushback) in [
            ("0", Pushback::After(ms(0))),
            ("250", Pushback::After(ms(250))),
            ("-1", Pushback::Never),
            ("soon", Pushback::Never),
            ("", Pushback::Never),
            ("3000000000", Pushback::Never),
        ] {
            let mut headers = HeaderMap::new();
            assert_eq!(Pushback::read(&headers), Pushback::Unsaid);
            headers.insert(PUSHBACK, text.parse().expect("a value"));
            assert_eq!(Pushback::read(&headers), pushback, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_past_the_deadline_is_not_begun() {
        let start = Instant::now();
        let script = [pushed_back(Code::ResourceExhausted, 5000)];
        assert_eq!(attempts(&Throttle::new(), Some(ms(5000)), &script).await.len(), 1);
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(attempts(&Throttle::new(), Some(ms(5001)), &script).await.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_left_is_sent_again_without_end_and_does_not_count() {
        let throttle = Throttle::new();
        let made = attempts(&throttle, None, &[Verdict::NeverSent; 50]).await;
        assert_eq!(made.len(), 51);
        assert_eq!(made[50], (Duration::ZERO, 0));
        assert_eq!(throttle.tokens.into_inner(), Throttle::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_did_not_see_is_sent_again_at_once_and_once_for_nothing() {
        let made = attempts(&Throttle::new(), None, &[Verdict::NotSeen; 9]).await;
        // The first of them is on top of the five.
        assert_eq!(made.len(), 6);
        assert_eq!(made[1], (Duration::ZERO, 0));
        assert!(made[2].0 > ms(79), "{made:?}");
        assert_eq!(made[2].1, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn where_most_calls_fail_retries_end_and_successes_allow_them_again() {
        let throttle = Throttle::new();
        // Ten tokens less five are not above the half.
        assert_eq!(attempts(&throttle, None, &[UNAVAILABLE; 9]).await.len(), 5);
        assert_eq!(attempts(&throttle, None, &[UNAVAILABLE; 9]).await.len(), 1);
        for _ in 0..21 {
            attempts(&throttle, None, &[]).await;
        }
        assert_eq!(attempts(&throttle, None, &[UNAVAILABLE]).await.len(), 2);
    }
}
