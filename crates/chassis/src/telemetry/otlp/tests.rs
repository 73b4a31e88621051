use prometheus_client::{
    encoding::prometheus_protobuf::encode,
    metrics::histogram::{Histogram as Source, NativeHistogramConfig},
    registry::Registry,
};

use super::*;
use crate::{config::Histograms, telemetry::latency};

/// Returns the data of a histogram with these values.
fn converted(histogram: Source, values: &[f64]) -> Data {
    values.iter().for_each(|&value| histogram.observe(value));
    let mut registry = Registry::default();
    registry.register("h_seconds", "Times", histogram);
    let families = encode(&registry).expect("it is valid");
    let converted = metrics(&families, Times::since(UNIX_EPOCH + Duration::from_secs(1)));
    let [metric] = &converted[..] else { panic!("{converted:?}") };
    assert_eq!((&*metric.name, &*metric.unit), ("h_seconds", "s"));
    metric.data.clone().expect("data")
}

#[test]
fn classic_buckets_are_counts_with_bounds() {
    let histogram = latency::histogram(Histograms::Both);
    let Data::Histogram(histogram) = converted(histogram, &[0.0001, 0.2, 0.2, 20.0]) else {
        panic!("it has classic buckets");
    };
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum), (4, Some(0.0001 + 0.2 + 0.2 + 20.0)));
    assert_eq!((point.bucket_counts.len(), point.explicit_bounds.len()), (17, 16));
    assert_eq!((point.bucket_counts[0], point.bucket_counts[16]), (1, 1));
    let tenths = point.explicit_bounds.iter().position(|&bound| bound == 0.25).expect("a bound");
    assert_eq!(point.bucket_counts[tenths], 2);
    assert_eq!(point.start_time_unix_nano, 1_000_000_000);
    assert_eq!(histogram.aggregation_temporality(), AggregationTemporality::Cumulative);
}

#[test]
fn native_buckets_are_exponential() {
    let histogram = Source::new_native(NativeHistogramConfig::with_schema(0));
    // From above 1 to 2, and from above 4 to 8.
    let values = [0.0, 1.5, 2.0, 5.0];
    let Data::ExponentialHistogram(histogram) = converted(histogram, &values) else {
        panic!("it has native buckets alone");
    };
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum, point.scale, point.zero_count), (4, Some(8.5), 0, 1));
    // OTLP's bucket of index 0 is from above 1 to 2.
    let positive = point.positive.clone().expect("buckets");
    assert_eq!(positive, Buckets { offset: 0, bucket_counts: vec![2, 0, 1] });
}

#[test]
fn an_exemplar_has_its_ids_as_bytes() {
    let label = |name: &str, value: &str| prometheus::LabelPair {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let exemplar = exemplar(&prometheus::Exemplar {
        label: vec![label("trace_id", "00ff10"), label("span_id", "0a")],
        value: 0.5,
        timestamp: Some(SystemTime::UNIX_EPOCH.into()),
    });
    assert_eq!((exemplar.trace_id, exemplar.span_id), (vec![0, 255, 16], vec![10]));
    assert_eq!(exemplar.value, Some(exemplar::Value::AsDouble(0.5)));
}
