//! What came of the calls, in numbers.

use std::{collections::BTreeMap, time::Instant};

use hdrhistogram::Histogram;
use tonic::Code;

use super::call::Outcome;

const GROWS: &str = "a histogram that grows takes every value";

/// What came of the calls of a thread, or of all.
pub(super) struct Tally {
    /// From the moment at which a call was due to its end, in nanoseconds; of those
    /// that succeeded, and of the others.
    pub(super) ok: Histogram<u64>,
    pub(super) failed: Histogram<u64>,
    /// From the moment at which a call was due to its begin, in nanoseconds.
    pub(super) late: Histogram<u64>,
    /// By the number of the code.
    pub(super) failures: BTreeMap<i32, Failures>,
    pub(super) last_begun: Option<Instant>,
    pub(super) last_ended: Option<Instant>,
    /// Calls that were in flight when they were told to end.
    pub(super) unfinished: u64,
    /// Calls that were due, and so late that they were not made any more.
    pub(super) missed: u64,
    /// How busy the busiest thread was, from 0 to 1.
    pub(super) busy: Option<f64>,
}

/// Calls that ended with the same code.
pub(super) struct Failures {
    pub(super) calls: u64,
    /// What the first of them said.
    pub(super) message: String,
}

impl Default for Tally {
    fn default() -> Self {
        // Three digits: 1.23 ms is not 1.24 ms.
        let histogram = || Histogram::new(3).expect("so many digits are allowed");
        Self {
            ok: histogram(),
            failed: histogram(),
            late: histogram(),
            failures: BTreeMap::new(),
            last_begun: None,
            last_ended: None,
            unfinished: 0,
            missed: 0,
            busy: None,
        }
    }
}

impl Tally {
    pub(super) fn record(&mut self, outcome: &Outcome) {
        let Outcome { due, begun, ended, status, .. } = outcome;
        let is_ok = status.code() == Code::Ok;
        let latencies = if is_ok { &mut self.ok } else { &mut self.failed };
        latencies.record(nanoseconds(*due, *ended)).expect(GROWS);
        self.late.record(nanoseconds(*due, *begun)).expect(GROWS);
        self.last_begun = self.last_begun.max(Some(*begun));
        self.last_ended = self.last_ended.max(Some(*ended));
        if !is_ok {
            let first = || Failures { calls: 0, message: status.message().to_owned() };
            self.failures.entry(status.code().into()).or_insert_with(first).calls += 1;
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.ok.add(other.ok).expect(GROWS);
        self.failed.add(other.failed).expect(GROWS);
        self.late.add(other.late).expect(GROWS);
        for (code, Failures { calls, message }) in other.failures {
            self.failures.entry(code).or_insert(Failures { calls: 0, message }).calls += calls;
        }
        self.last_begun = self.last_begun.max(other.last_begun);
        self.last_ended = self.last_ended.max(other.last_ended);
        self.unfinished += other.unfinished;
        self.missed += other.missed;
        self.busy = match (self.busy, other.busy) {
            (Some(one), Some(another)) => Some(one.max(another)),
            (one, another) => one.or(another),
        };
    }

    /// Calls that ended.
    pub(super) fn calls(&self) -> u64 {
        self.ok.len() + self.failed.len()
    }
}

fn nanoseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}
