//! Exponential backoff.

use std::time::Duration;

/// Delays that double from `first` to `max`, each with a jitter of ±20 %, so that clients
/// that failed together do not return together (gRFC A6, gRPC's connection backoff).
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, next: first }
    }

    /// Starts again with the first delay.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    /// Returns the next delay.
    pub(crate) fn next(&mut self) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(self.max);
        delay.mul_f64(0.8 + 0.4 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum_with_a_jitter_of_20_percent() {
        let ms = Duration::from_millis;
        for _ in 0..100 {
            let mut backoff = Backoff::new(ms(100), ms(300));
            for expected in [100, 200, 300, 300] {
                let delay = backoff.next();
                assert!(
                    delay >= ms(expected * 4 / 5) && delay <= ms(expected * 6 / 5),
                    "{delay:?}"
                );
            }
            backoff.reset();
            assert!(backoff.next() <= ms(120));
        }
    }
}
