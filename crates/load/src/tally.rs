//! Counts and times of the calls.

use std::{collections::BTreeMap, time::Instant};

use hdrhistogram::Histogram;
use tonic::Code;

use crate::call::CallRecord;

const GROWS: &str = "the histogram resizes itself";

/// The outcomes of the calls of one thread, or of all.
pub(super) struct Tally {
    /// Latencies in nanoseconds, from the time at which a call was due to its end: of the
    /// calls that succeeded, and of those that failed.
    pub(super) ok: Histogram<u64>,
    pub(super) failed: Histogram<u64>,
    /// Delays in nanoseconds, from the time at which a call was due to its start.
    pub(super) late: Histogram<u64>,
    /// By the number of the status code.
    pub(super) failures: BTreeMap<i32, Failures>,
    pub(super) last_begun: Option<Instant>,
    pub(super) last_ended: Option<Instant>,
    /// The number of calls in flight that were cancelled.
    pub(super) unfinished: u64,
    /// The number of calls that were not made, because they were due too long ago.
    pub(super) missed: u64,
    /// The share of its time that the busiest thread was busy, from 0 to 1.
    pub(super) busy: Option<f64>,
}

/// Calls that failed with the same status code.
pub(super) struct Failures {
    pub(super) calls: u64,
    /// The status message of the first of them.
    pub(super) message: String,
}

impl Default for Tally {
    fn default() -> Self {
        // With three digits, 1.23 ms and 1.24 ms are told apart.
        let histogram = || Histogram::new(3).expect("three digits are allowed");
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
    pub(super) fn record(&mut self, call: &CallRecord) {
        let CallRecord { due, begun, ended, status, .. } = call;
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

    /// Returns the number of calls that ended.
    pub(super) fn calls(&self) -> u64 {
        self.ok.len() + self.failed.len()
    }
}

fn nanoseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}
