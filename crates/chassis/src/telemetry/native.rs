//! The buckets of native histograms as counts.

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::Histogram;

/// The buckets for values above the zero threshold, without gaps.
///
/// Bucket `i` is for values up to `2^(i / 2^schema)`, and above the bound of the one before.
#[derive(Debug, PartialEq)]
pub(super) struct Buckets {
    /// The index of the first.
    pub(super) first: i32,
    pub(super) counts: Vec<u64>,
}

impl Buckets {
    /// Returns the buckets of a histogram of times, which has none below zero.
    pub(super) fn of(histogram: &Histogram) -> Self {
        let first = histogram.positive_span.first().map_or(0, |span| span.offset);
        let mut counts = Vec::new();
        let mut deltas = histogram.positive_delta.iter();
        let mut count = 0_i64;
        for (number, span) in histogram.positive_span.iter().enumerate() {
            if number > 0 {
                // The offset of a later span is the number of empty buckets before it.
                counts.extend((0..span.offset).map(|_| 0));
            }
            for delta in deltas.by_ref().take(span.length as usize) {
                count += delta;
                counts.push(u64::try_from(count).unwrap_or(0));
            }
        }
        Self { first, counts }
    }
}

/// Returns the native buckets as classic ones: each upper bound, and how many values are up to it.
pub(super) fn as_classic(histogram: &Histogram) -> Vec<(f64, u64)> {
    let Buckets { first, counts } = Buckets::of(histogram);
    let growth = f64::from(histogram.schema).exp2().recip();
    let bound = |index: i32| (f64::from(index) * growth).exp2();
    let mut all = histogram.zero_count;
    let mut buckets = vec![(histogram.zero_threshold, all)];
    if !counts.is_empty() {
        // The lower bound of the first.
        buckets.push((bound(first - 1), all));
    }
    for (index, count) in (first..).zip(counts) {
        all += count;
        buckets.push((bound(index), all));
    }
    buckets.push((f64::INFINITY, histogram.sample_count));
    buckets
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::BucketSpan;

    use super::*;

    #[test]
    fn spans_and_deltas_are_counts_of_buckets() {
        let span = |offset, length| BucketSpan { offset, length };
        let histogram = Histogram {
            sample_count: 7,
            zero_threshold: 0.01,
            zero_count: 1,
            positive_span: vec![span(-1, 2), span(1, 1)],
            positive_delta: vec![2, -1, 2],
            ..Default::default()
        };
        let buckets = Buckets::of(&histogram);
        assert_eq!(buckets, Buckets { first: -1, counts: vec![2, 1, 0, 3] });
        let classic =
            [(0.01, 1), (0.25, 1), (0.5, 3), (1.0, 4), (2.0, 4), (4.0, 7), (f64::INFINITY, 7)];
        assert_eq!(as_classic(&histogram), classic);
        let finer = Histogram { schema: 1, ..histogram };
        assert_eq!(as_classic(&finer)[4], (2_f64.sqrt(), 4));
    }

    #[test]
    fn a_histogram_without_values_has_its_last_bucket() {
        assert_eq!(as_classic(&Histogram::default()), [(0.0, 0), (f64::INFINITY, 0)]);
    }
}
