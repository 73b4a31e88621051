//! The content of a profile: stacks of functions, and how often each was seen.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use pprof::Report;

/// How often each stack was seen. A stack begins with the name of the thread, and its last
/// function is the one that ran.
#[derive(Debug)]
pub(super) struct Stacks {
    pub(super) seen: BTreeMap<Vec<String>, u64>,
    pub(super) start: SystemTime,
    pub(super) duration: Duration,
    /// The CPU time between two samples.
    pub(super) period: Duration,
}

impl Stacks {
    pub(super) fn new(report: &Report) -> Self {
        let mut seen = BTreeMap::<Vec<String>, u64>::new();
        for (frames, count) in &report.data {
            let functions = frames.frames.iter().rev().flat_map(|inlined| inlined.iter().rev());
            let names = functions.map(pprof::Symbol::name);
            let stack = [frames.thread_name.clone()].into_iter().chain(names).collect();
            *seen.entry(stack).or_default() += u64::try_from(*count).unwrap_or_default();
        }
        let timing = &report.timing;
        let period = Duration::from_secs(1) / u32::try_from(timing.frequency).unwrap_or(1).max(1);
        Self { seen, start: timing.start_time, duration: timing.duration, period }
    }
}
