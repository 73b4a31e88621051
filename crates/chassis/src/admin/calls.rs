//! The calls of each method: their counts, and their rate and latency in the last seconds.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::series::series;

/// How far the rate and the quantiles reach back.
const WINDOW: Duration = Duration::from_secs(10);

/// The least time between two samples that are kept, so that their number is bounded.
const STEP: Duration = Duration::from_millis(500);

/// The counts of a method since the start of the server, read from the metrics.
#[derive(Debug, Clone, Default, PartialEq)]
struct Counts {
    kind: String,
    started: f64,
    handled: BTreeMap<String, f64>,
    /// The upper bound of each bucket in seconds, and the calls that took no longer.
    buckets: Vec<(f64, f64)>,
}

impl Counts {
    fn ended(&self) -> f64 {
        self.handled.values().sum()
    }
}

/// The counts of each method, by its path.
type Sample = BTreeMap<String, Counts>;

fn read(text: &str) -> Sample {
    let mut methods = Sample::new();
    for series in series(text) {
        let (Some(service), Some(method)) =
            (series.label("grpc_service"), series.label("grpc_method"))
        else {
            continue;
        };
        let counts = methods.entry(format!("/{service}/{method}")).or_default();
        match series.name {
            "grpc_server_started_total" => {
                counts.started = series.value;
                counts.kind = series.label("grpc_type").unwrap_or_default().to_owned();
            }
            "grpc_server_handled_total" => {
                let code = series.label("grpc_code").unwrap_or_default().to_owned();
                counts.handled.insert(code, series.value);
            }
            "grpc_server_handling_seconds_bucket" => {
                let bound = match series.label("le") {
                    Some("+Inf") | None => f64::INFINITY,
                    Some(bound) => bound.parse().unwrap_or(f64::INFINITY),
                };
                counts.buckets.push((bound, series.value));
            }
            _ => {}
        }
    }
    methods
}

/// Samples of the last seconds. A sample is taken only when the page or a script asks, so that a
/// server without either does no work for it.
#[derive(Debug)]
pub(super) struct Calls {
    /// The oldest first. Never empty.
    samples: VecDeque<(Instant, Sample)>,
}

impl Calls {
    /// Begins with the start of the server, when all counts are 0.
    pub(super) fn new(start: Instant) -> Self {
        Self { samples: VecDeque::from([(start, Sample::new())]) }
    }

    /// Reads the metrics. Returns the calls of each method, and the length in seconds of the window
    /// of their rate and quantiles.
    pub(super) fn look(&mut self, text: &str, now: Instant) -> (Vec<Value>, f64) {
        let sample = read(text);
        // The base is the newest sample that is at least `WINDOW` old, or else the oldest sample.
        while self.samples.get(1).is_some_and(|(taken, _)| now - *taken >= WINDOW) {
            self.samples.pop_front();
        }
        let (base_taken, base) = &self.samples[0];
        let seconds = (now - *base_taken).as_secs_f64();
        let none = Counts::default();
        let calls = sample
            .iter()
            .map(|(path, counts)| shown(path, counts, base.get(path).unwrap_or(&none), seconds));
        let calls = calls.collect();
        if self.samples.back().is_none_or(|(taken, _)| now - *taken >= STEP) {
            self.samples.push_back((now, sample));
        }
        (calls, seconds)
    }
}

fn shown(path: &str, counts: &Counts, base: &Counts, seconds: f64) -> Value {
    let ended = counts.ended();
    let recent = ended - base.ended();
    let before = |bound: f64| {
        // Native buckets come with their first value: then those up to the one below count.
        let bucket = base.buckets.iter().rev().find(|(known, _)| *known <= bound);
        bucket.map_or(0.0, |(_, count)| *count)
    };
    let buckets: Vec<_> =
        counts.buckets.iter().map(|&(bound, count)| (bound, count - before(bound))).collect();
    let handled: BTreeMap<_, _> =
        counts.handled.iter().filter(|(_, count)| **count > 0.0).collect();
    // Rounded to microseconds, because sums of floats have rounding errors.
    let milliseconds =
        |quantile| self::quantile(&buckets, quantile).map(|time| (time * 1e6).round() / 1e3);
    json!({
        "method": path,
        "type": counts.kind,
        "started": counts.started,
        "in_flight": (counts.started - ended).max(0.0),
        "handled": handled,
        "per_second": if seconds > 0.0 { recent / seconds } else { 0.0 },
        "p50_ms": milliseconds(0.5),
        "p99_ms": milliseconds(0.99),
    })
}

/// Returns a quantile of a histogram in seconds, as `histogram_quantile` of Prometheus does: as if
/// the values of a bucket were spread evenly over it. A quantile above the last finite bound is
/// that bound. Returns `None` if there is no value.
fn quantile(buckets: &[(f64, f64)], quantile: f64) -> Option<f64> {
    let (_, all) = *buckets.last()?;
    if all <= 0.0 {
        return None;
    }
    let rank = quantile * all;
    let (mut lower, mut below) = (0.0, 0.0);
    for &(bound, count) in buckets {
        if count >= rank {
            if bound.is_infinite() {
                return Some(lower);
            }
            return Some(lower + (bound - lower) * (rank - below) / (count - below));
        }
        (lower, below) = (bound, count);
    }
    Some(lower)
}

#[cfg(test)]
mod tests;
