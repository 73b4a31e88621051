//! The durations of calls by status code, as OpenTelemetry's semantic conventions want them
//! (<https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/>).
//!
//! The histogram of /metrics is by method alone, because each of its series exists from the start:
//! by code there would be 17 times as many. Here a histogram exists from its first call, and only
//! if metrics are sent by OTLP.

use std::sync::{Mutex, OnceLock, PoisonError};

use tonic::Code;

use super::labels::{CODES, code_number};

/// The upper bounds in seconds that the conventions advise.
pub(super) const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The durations of the calls of one method.
#[derive(Debug, Default)]
pub(super) struct CallDurations([OnceLock<Mutex<Durations>>; CODES.len()]);

/// The durations of the calls that ended with one code.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Durations {
    /// In seconds.
    pub(super) sum: f64,
    /// How many are in each bucket. The last has no upper bound.
    pub(super) counts: [u64; BOUNDS.len() + 1],
}

impl CallDurations {
    pub(super) fn observe(&self, code: Code, seconds: f64) {
        let durations = self.0[code_number(code)].get_or_init(Mutex::default);
        let mut durations = durations.lock().unwrap_or_else(PoisonError::into_inner);
        durations.sum += seconds;
        durations.counts[BOUNDS.partition_point(|&bound| bound < seconds)] += 1;
    }

    /// Returns the codes that calls have ended with, each with its durations.
    pub(super) fn read(&self) -> impl Iterator<Item = (Code, Durations)> {
        self.0.iter().zip(0..).filter_map(|(durations, code)| {
            let durations = durations.get()?.lock().unwrap_or_else(PoisonError::into_inner);
            Some((Code::from_i32(code), durations.clone()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_by_code_in_the_bucket_that_ends_with_it() {
        let calls = CallDurations::default();
        for seconds in [0.005, 0.0051, 11.0] {
            calls.observe(Code::Unauthenticated, seconds);
        }
        let mut counts = [0; 15];
        (counts[0], counts[1], counts[14]) = (1, 1, 1);
        let durations = Durations { sum: 0.005 + 0.0051 + 11.0, counts };
        assert_eq!(calls.read().collect::<Vec<_>>(), [(Code::Unauthenticated, durations)]);
    }
}
