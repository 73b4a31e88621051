//! The metrics as messages of OTLP. All counts are since the start (cumulative).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint,
        Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum, exemplar,
        exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
    },
};
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as prometheus;
use wire::metrics::call_attributes;

use super::{
    call_durations::{BOUNDS, CallDurations},
    native,
};

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// When the counts began, and when they were read, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    start: u64,
    now: u64,
}

impl Times {
    /// Returns the times of counts that began at `start` and are read now.
    pub(super) fn since(start: SystemTime) -> Self {
        Self { start: nanoseconds(start), now: nanoseconds(SystemTime::now()) }
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Converts metrics that have the names of /metrics.
pub(super) fn metrics(families: &[prometheus::MetricFamily], times: Times) -> Vec<Metric> {
    let convert = |family: &prometheus::MetricFamily| Metric {
        name: family.name.clone(),
        description: family.help.clone(),
        unit: unit(&family.name).to_owned(),
        data: Some(data(family, times)),
        ..Metric::default()
    };
    families.iter().filter(|family| !family.metric.is_empty()).map(convert).collect()
}

/// Returns the unit that the name ends with, as UCUM writes it.
fn unit(name: &str) -> &'static str {
    match name.trim_end_matches("_total").rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        _ => "",
    }
}

fn data(family: &prometheus::MetricFamily, times: Times) -> Data {
    let series = &family.metric;
    let histograms = || series.iter().filter_map(|one| Some((one, one.histogram.as_ref()?)));
    match family.r#type() {
        prometheus::MetricType::Histogram
            if histograms().all(|(_, histogram)| histogram.bucket.is_empty()) =>
        {
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: histograms()
                    .map(|(one, histogram)| exponential(&one.label, histogram, times))
                    .collect(),
                aggregation_temporality: CUMULATIVE,
            })
        }
        prometheus::MetricType::Histogram => Data::Histogram(Histogram {
            data_points: histograms()
                .map(|(one, histogram)| classic(&one.label, histogram, times))
                .collect(),
            aggregation_temporality: CUMULATIVE,
        }),
        prometheus::MetricType::Counter => Data::Sum(Sum {
            data_points: series
                .iter()
                .map(|one| NumberDataPoint {
                    start_time_unix_nano: times.start,
                    ..number(one, one.counter.as_ref().map(|counter| counter.value), times)
                })
                .collect(),
            aggregation_temporality: CUMULATIVE,
            is_monotonic: true,
        }),
        _ => Data::Gauge(Gauge {
            data_points: series
                .iter()
                .map(|one| number(one, one.gauge.as_ref().map(|gauge| gauge.value), times))
                .collect(),
        }),
    }
}

fn number(series: &prometheus::Metric, value: Option<f64>, times: Times) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(&series.label),
        time_unix_nano: times.now,
        value: value.map(number_data_point::Value::AsDouble),
        ..NumberDataPoint::default()
    }
}

fn classic(
    labels: &[prometheus::LabelPair],
    histogram: &prometheus::Histogram,
    times: Times,
) -> HistogramDataPoint {
    let buckets = &histogram.bucket;
    let below = [0].into_iter().chain(buckets.iter().map(|bucket| bucket.cumulative_count));
    let counts = buckets.iter().zip(below).map(|(bucket, below)| bucket.cumulative_count - below);
    let bounds = buckets.iter().map(|bucket| bucket.upper_bound);
    let exemplars = buckets.iter().filter_map(|bucket| bucket.exemplar.as_ref());
    HistogramDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: times.start,
        time_unix_nano: times.now,
        count: histogram.sample_count,
        sum: Some(histogram.sample_sum),
        bucket_counts: counts.collect(),
        // The last has none.
        explicit_bounds: bounds.filter(|bound| bound.is_finite()).collect(),
        exemplars: exemplars.map(exemplar).collect(),
        ..HistogramDataPoint::default()
    }
}

fn exponential(
    labels: &[prometheus::LabelPair],
    histogram: &prometheus::Histogram,
    times: Times,
) -> ExponentialHistogramDataPoint {
    let native::Buckets { first, counts } = native::Buckets::of(histogram);
    ExponentialHistogramDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: times.start,
        time_unix_nano: times.now,
        count: histogram.sample_count,
        sum: Some(histogram.sample_sum),
        scale: histogram.schema,
        zero_count: histogram.zero_count,
        zero_threshold: histogram.zero_threshold,
        // Prometheus names a bucket by its upper bound, OTLP by its lower one.
        positive: Some(Buckets { offset: first - 1, bucket_counts: counts }),
        exemplars: histogram.exemplars.iter().map(exemplar).collect(),
        ..ExponentialHistogramDataPoint::default()
    }
}

fn exemplar(exemplar: &prometheus::Exemplar) -> Exemplar {
    let id = |name| {
        let label = exemplar.label.iter().find(|label| label.name == name);
        bytes(label.map_or("", |label| &label.value))
    };
    let at = exemplar.timestamp.unwrap_or_default();
    let at = Duration::new(at.seconds.unsigned_abs(), at.nanos.unsigned_abs());
    Exemplar {
        time_unix_nano: nanoseconds(UNIX_EPOCH + at),
        trace_id: id("trace_id"),
        span_id: id("span_id"),
        value: Some(exemplar::Value::AsDouble(exemplar.value)),
        ..Exemplar::default()
    }
}

/// Returns the bytes of a text in hexadecimal, as ids are.
fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn attributes(labels: &[prometheus::LabelPair]) -> Vec<KeyValue> {
    let attribute = |label: &prometheus::LabelPair| KeyValue {
        key: label.name.clone(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(label.value.clone())) }),
        ..KeyValue::default()
    };
    labels.iter().map(attribute).collect()
}

/// Returns the durations of calls by the name that OpenTelemetry gives them. A method is its
/// service and its name, or `None` if it is unknown.
pub(super) fn call_durations<'a>(
    methods: impl Iterator<Item = (Option<(&'a str, &'a str)>, &'a CallDurations)>,
    times: Times,
) -> Option<Metric> {
    let points = methods.flat_map(|(method, durations)| {
        durations.read().map(move |(code, durations)| HistogramDataPoint {
            attributes: call_attributes(method, code),
            start_time_unix_nano: times.start,
            time_unix_nano: times.now,
            count: durations.counts.iter().sum(),
            sum: Some(durations.sum),
            bucket_counts: durations.counts.into(),
            explicit_bounds: BOUNDS.into(),
            ..HistogramDataPoint::default()
        })
    });
    let data_points: Vec<_> = points.collect();
    (!data_points.is_empty()).then(|| Metric {
        name: "rpc.server.call.duration".to_owned(),
        description: "Duration of incoming calls.".to_owned(),
        unit: "s".to_owned(),
        data: Some(Data::Histogram(Histogram { data_points, aggregation_temporality: CUMULATIVE })),
        ..Metric::default()
    })
}

#[cfg(test)]
mod tests;
