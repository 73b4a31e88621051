//! Histograms of times, and the traces of some of their calls (exemplars).

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use opentelemetry::trace::{SpanId, TraceId};
use prometheus_client::{
    encoding::prometheus_protobuf::prometheus_data_model::{self as message, LabelPair},
    metrics::histogram::{Histogram, NativeHistogramConfig},
};

use crate::config::Histograms;

/// Upper bounds in seconds: those that dashboards expect, and finer ones below.
const BUCKETS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// The most buckets of a native histogram. If there are more, neighbours are merged: a histogram
/// that began again instead would lose its counts, which the last export by OTLP still needs.
const MAX_NATIVE_BUCKETS: usize = 160;

/// Returns an empty histogram with the buckets that the settings ask for.
pub(super) fn histogram(buckets: Histograms) -> Histogram {
    // Its default is the growth that Prometheus recommends: a bucket ends at most 10% above its
    // begin.
    let native = NativeHistogramConfig::default().max_buckets(MAX_NATIVE_BUCKETS);
    match buckets {
        Histograms::Classic => Histogram::new(BUCKETS),
        Histograms::Native => Histogram::new_native(native),
        Histograms::Both => Histogram::new_classic_and_native(BUCKETS, native),
    }
}

/// The last call with a recorded trace in each bucket.
///
/// prometheus-client's histogram with exemplars has no native buckets, and takes a second lock
/// for calls without a trace too. Here only calls with one take a lock.
#[derive(Debug, Default)]
pub(super) struct Exemplars(Mutex<BTreeMap<usize, Exemplar>>);

/// A call that took `value` seconds.
#[derive(Debug, Clone, Copy)]
struct Exemplar {
    trace: TraceId,
    span: SpanId,
    value: f64,
    at: SystemTime,
}

impl Exemplars {
    /// Keeps the call instead of the last one in its bucket.
    pub(super) fn keep(&self, (trace, span): (TraceId, SpanId), value: f64) {
        let bucket = BUCKETS.partition_point(|&bound| bound < value);
        let exemplar = Exemplar { trace, span, value, at: SystemTime::now() };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(bucket, exemplar);
    }

    /// Adds the exemplars to the histogram that they are of.
    pub(super) fn add_to(&self, histogram: &mut message::Histogram) {
        let mut kept: Vec<_> = {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.iter().map(|(&bucket, &exemplar)| (bucket, exemplar)).collect()
        };
        // Prometheus refuses an exemplar of a series that is older than the one before it.
        kept.sort_by_key(|(_, exemplar)| exemplar.at);
        let is_native = has_native_buckets(histogram);
        for (bucket, exemplar) in kept {
            let exemplar = exemplar.message();
            if let Some(bucket) = histogram.bucket.get_mut(bucket) {
                bucket.exemplar = Some(exemplar.clone());
            }
            if is_native {
                histogram.exemplars.push(exemplar);
            }
        }
    }
}

impl Exemplar {
    fn message(self) -> message::Exemplar {
        let label = |name: &str, value: String| LabelPair { name: name.to_owned(), value };
        message::Exemplar {
            label: vec![
                label("trace_id", self.trace.to_string()),
                label("span_id", self.span.to_string()),
            ],
            value: self.value,
            timestamp: Some(self.at.into()),
        }
    }
}

/// Returns whether the histogram has native buckets: what Prometheus takes for one that has.
pub(super) fn has_native_buckets(histogram: &message::Histogram) -> bool {
    histogram.zero_threshold > 0.0 || !histogram.positive_span.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(number: u8) -> (TraceId, SpanId) {
        (TraceId::from(u128::from(number)), SpanId::from(u64::from(number)))
    }

    #[test]
    fn an_exemplar_is_in_the_bucket_of_its_value() {
        let exemplars = Exemplars::default();
        // A bound belongs to the bucket that it ends.
        for (number, seconds) in [(1, 0.0001), (2, 0.000_100_1), (3, 0.0002), (4, 11.0)] {
            exemplars.keep(ids(number), seconds);
        }
        let bucket = |bound| message::Bucket { upper_bound: bound, ..Default::default() };
        let mut histogram = message::Histogram {
            bucket: BUCKETS.into_iter().chain([f64::INFINITY]).map(bucket).collect(),
            ..Default::default()
        };
        exemplars.add_to(&mut histogram);
        let found = histogram.bucket.iter().filter_map(|bucket| {
            let exemplar = bucket.exemplar.as_ref()?;
            Some((bucket.upper_bound, exemplar.value, exemplar.label[0].value.clone()))
        });
        let trace = |number: u8| format!("{number:032x}");
        let expected = [
            (0.0001, 0.0001, trace(1)),
            (0.00025, 0.0002, trace(3)),
            (f64::INFINITY, 11.0, trace(4)),
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert!(histogram.exemplars.is_empty(), "it has no native buckets");
    }
}
