//! How long to wait before trying again.

use std::time::Duration;

/// Waits that double from the first to the longest, each with a jitter of a
/// fifth either way, so that clients that failed together do not return
/// together (gRFC A6, gRPC's connection backoff).
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The next wait is the first again.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }

    pub(super) fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        wait.mul_f64(0.8 + 0.4 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_longest_and_are_a_fifth_off_at_most() {
        let ms = Duration::from_millis;
        for _ in 0..100 {
            let mut backoff = Backoff::new(ms(100), ms(300));
            for expected in [100, 200, 300, 300] {
                let wait = backoff.next();
                assert!(wait >= ms(expected * 4 / 5) && wait <= ms(expected * 6 / 5), "{wait:?}");
            }
            backoff.reset();
            assert!(backoff.next() <= ms(120));
        }
    }
}
