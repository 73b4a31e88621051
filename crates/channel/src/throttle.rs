//! Retry throttling (gRFC A6).

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The token bucket that stops retries while most calls fail, because retries would only
/// add to the load.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// In tenths of a token.
    tokens: AtomicU32,
}

impl Throttle {
    const MAX: u32 = 100;
    const FAILURE: u32 = 10;
    const SUCCESS: u32 = 1;

    pub(crate) fn new() -> Self {
        Self { tokens: AtomicU32::new(Self::MAX) }
    }

    /// Counts an attempt that succeeded.
    pub(crate) fn record_success(&self) {
        // A full bucket, the usual case, is not written, so that threads do not compete for it.
        if self.tokens.load(Relaxed) < Self::MAX {
            let more = |tokens: u32| Some((tokens + Self::SUCCESS).min(Self::MAX));
            let _ = self.tokens.fetch_update(Relaxed, Relaxed, more);
        }
    }

    /// Counts an attempt that failed. Returns whether retries are still allowed.
    pub(crate) fn record_failure(&self) -> bool {
        let less = |tokens: u32| Some(tokens.saturating_sub(Self::FAILURE));
        let _ = self.tokens.fetch_update(Relaxed, Relaxed, less);
        self.tokens.load(Relaxed) > Self::MAX / 2
    }

    #[cfg(test)]
    pub(crate) fn is_full(&self) -> bool {
        self.tokens.load(Relaxed) == Self::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::Throttle;

    /// gRFC A6: there is no retry while the tokens are at half of their maximum or below.
    #[test]
    fn exactly_half_of_the_tokens_allows_no_retry_and_a_tenth_more_does() {
        let throttle = Throttle::new();
        let allowed: Vec<_> = (0..5).map(|_| throttle.record_failure()).collect();
        // The fifth failure leaves five tokens of ten.
        assert_eq!(allowed, [true, true, true, true, false]);
        for _ in 0..11 {
            throttle.record_success();
        }
        // There are 6.1 tokens, and the failure takes one.
        assert!(throttle.record_failure());
    }
}
