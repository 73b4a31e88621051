//! Counts and times of the calls.

use std::{collections::BTreeMap, time::Instant};

use channel::{AddressState, Channel, Peer};
use hdrhistogram::Histogram;
use tonic::Code;
use wire::code::code_name;

use crate::call::CallRecord;

const GROWS: &str = "the histogram resizes itself";

/// The outcomes of the calls of one thread, or of all.
pub(super) struct Tally {
    /// The outcomes by the address that served the calls; `None` for calls that were never sent.
    /// A call is counted only here, because each count costs time. The addresses are few, so that
    /// a search is faster than a map.
    pub(super) outcomes: Vec<(Option<Peer>, Outcomes)>,
    /// The addresses of all channels, each of them once.
    pub(super) addresses: Vec<AddressState>,
    /// Delays in nanoseconds, from the time at which a call was due to its start.
    pub(super) late: Histogram<u64>,
    pub(super) last_begun: Option<Instant>,
    pub(super) last_ended: Option<Instant>,
    /// The number of calls in flight that were cancelled.
    pub(super) unfinished: u64,
    /// The number of calls that were not made, because they were due too long ago.
    pub(super) missed: u64,
    /// The share of its time that the busiest thread was busy, from 0 to 1.
    pub(super) busy: Option<f64>,
}

/// The outcomes of calls.
pub(super) struct Outcomes {
    /// Latencies in nanoseconds, from the time at which a call was due to its end: of the
    /// calls that succeeded, and of those that failed.
    pub(super) ok: Histogram<u64>,
    pub(super) failed: Histogram<u64>,
    /// By the number of the status code.
    pub(super) failures: BTreeMap<i32, Failures>,
}

/// Calls that failed with the same status code.
pub(super) struct Failures {
    pub(super) calls: u64,
    /// The status message of the first of them.
    pub(super) message: String,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            outcomes: Vec::new(),
            addresses: Vec::new(),
            late: histogram(),
            last_begun: None,
            last_ended: None,
            unfinished: 0,
            missed: 0,
            busy: None,
        }
    }
}

impl Default for Outcomes {
    fn default() -> Self {
        Self { ok: histogram(), failed: histogram(), failures: BTreeMap::new() }
    }
}

/// Three digits tell 1.23 ms from 1.24 ms.
fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}

impl Tally {
    pub(super) fn record(&mut self, call: &CallRecord) {
        let CallRecord { due, begun, ended, .. } = call;
        self.outcomes(call.peer.as_ref()).record(call);
        self.late.record(nanoseconds(*due, *begun)).expect(GROWS);
        self.last_begun = self.last_begun.max(Some(*begun));
        self.last_ended = self.last_ended.max(Some(*ended));
    }

    /// Adds the addresses of a channel.
    pub(super) fn add_addresses(&mut self, channel: &Channel) {
        channel.addresses().into_iter().for_each(|state| self.add_address(state));
    }

    fn add_address(&mut self, state: AddressState) {
        match self.addresses.iter_mut().find(|known| known.address == state.address) {
            Some(known) => {
                known.reached |= state.reached;
                known.failure = known.failure.take().or(state.failure);
            }
            None => self.addresses.push(state),
        }
    }

    fn outcomes(&mut self, peer: Option<&Peer>) -> &mut Outcomes {
        let known = self.outcomes.iter().position(|(known, _)| known.as_ref() == peer);
        let index = known.unwrap_or_else(|| {
            self.outcomes.push((peer.cloned(), Outcomes::default()));
            self.outcomes.len() - 1
        });
        &mut self.outcomes[index].1
    }

    pub(super) fn add(&mut self, other: Self) {
        for (peer, outcomes) in &other.outcomes {
            self.outcomes(peer.as_ref()).add(outcomes);
        }
        other.addresses.into_iter().for_each(|state| self.add_address(state));
        self.late.add(other.late).expect(GROWS);
        self.last_begun = self.last_begun.max(other.last_begun);
        self.last_ended = self.last_ended.max(other.last_ended);
        self.unfinished += other.unfinished;
        self.missed += other.missed;
        self.busy = match (self.busy, other.busy) {
            (Some(one), Some(another)) => Some(one.max(another)),
            (one, another) => one.or(another),
        };
    }

    /// Returns the outcomes of all calls.
    pub(super) fn total(&self) -> Outcomes {
        let mut total = Outcomes::default();
        self.outcomes.iter().for_each(|(_, outcomes)| total.add(outcomes));
        total
    }
}

impl Outcomes {
    fn record(&mut self, call: &CallRecord) {
        let is_ok = call.status.code() == Code::Ok;
        let latencies = if is_ok { &mut self.ok } else { &mut self.failed };
        latencies.record(nanoseconds(call.due, call.ended)).expect(GROWS);
        if !is_ok {
            let first = || Failures { calls: 0, message: call.status.message().to_owned() };
            self.failures.entry(call.status.code().into()).or_insert_with(first).calls += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        self.ok.add(&other.ok).expect(GROWS);
        self.failed.add(&other.failed).expect(GROWS);
        for (&code, Failures { calls, message }) in &other.failures {
            let first = || Failures { calls: 0, message: message.clone() };
            self.failures.entry(code).or_insert_with(first).calls += calls;
        }
    }

    /// Returns the number of calls that ended.
    pub(super) fn calls(&self) -> u64 {
        self.ok.len() + self.failed.len()
    }

    /// Returns the name of each status code, its number of calls, and the message of the first.
    pub(super) fn codes(&self) -> impl Iterator<Item = (&'static str, u64, &str)> {
        let ok = Some((code_name(Code::Ok), self.ok.len(), "")).filter(|ok| ok.1 > 0);
        let failures = self.failures.iter().map(|(&code, failures)| {
            (code_name(code.into()), failures.calls, failures.message.as_str())
        });
        ok.into_iter().chain(failures)
    }
}

fn nanoseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}
