//! A collector of metrics: OTLP over gRPC.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{MetricsService, MetricsServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{Metric, metric::Data, number_data_point},
};
use tokio::sync::Notify;
use tonic::{Request, Response, Status, metadata::MetadataMap, transport::Server};

use super::collector::{serve, wait};

/// The last metrics that have arrived.
#[derive(Clone, Default)]
pub(crate) struct MetricCollector(Arc<Inner>);

#[derive(Default)]
struct Inner {
    last: Mutex<Option<Export>>,
    exports: AtomicUsize,
    refuses: AtomicBool,
    came: Notify,
}

/// Attributes as text.
pub(crate) type Attributes = BTreeMap<String, String>;

/// One export.
#[derive(Debug, Clone)]
pub(crate) struct Export {
    pub(crate) headers: MetadataMap,
    pub(crate) resource: Attributes,
    pub(crate) metrics: Vec<Metric>,
}

impl Export {
    /// Returns the series of a metric: the attributes and the value of each, which is the count
    /// of a histogram.
    pub(crate) fn series(&self, name: &str) -> Vec<(Attributes, f64)> {
        let metric = self.metrics.iter().find(|metric| metric.name == name);
        let numbers = |points: &[opentelemetry_proto::tonic::metrics::v1::NumberDataPoint]| {
            let value = |value| match value {
                Some(number_data_point::Value::AsDouble(value)) => value,
                other => panic!("{other:?} is not a float"),
            };
            points.iter().map(|point| (texts(&point.attributes), value(point.value))).collect()
        };
        match metric.and_then(|metric| metric.data.as_ref()) {
            None => Vec::new(),
            Some(Data::Gauge(gauge)) => numbers(&gauge.data_points),
            Some(Data::Sum(sum)) => numbers(&sum.data_points),
            Some(Data::Histogram(histogram)) => {
                let points = histogram.data_points.iter();
                points.map(|point| (texts(&point.attributes), point.count as f64)).collect()
            }
            Some(Data::ExponentialHistogram(histogram)) => {
                let points = histogram.data_points.iter();
                points.map(|point| (texts(&point.attributes), point.count as f64)).collect()
            }
            Some(other) => panic!("{name} is {other:?}"),
        }
    }

    /// Returns the value of the series that has these attributes and perhaps others, or 0.
    pub(crate) fn value(&self, name: &str, attributes: &[(&str, &str)]) -> f64 {
        let has = |all: &Attributes| {
            attributes.iter().all(|(key, value)| all.get(*key).is_some_and(|has| has == value))
        };
        self.series(name).into_iter().find(|(all, _)| has(all)).map_or(0.0, |(_, value)| value)
    }
}

fn texts(attributes: &[KeyValue]) -> Attributes {
    let text = |attribute: &KeyValue| match attribute.value.clone()?.value? {
        Value::StringValue(text) => Some((attribute.key.clone(), text)),
        _ => None,
    };
    attributes.iter().filter_map(text).collect()
}

impl MetricCollector {
    /// Listens on the loopback interface. Returns the URL too.
    pub(crate) async fn start() -> (Self, String) {
        let collector = Self::default();
        let service = MetricsServiceServer::new(collector.clone());
        let url = serve("127.0.0.1:0", Server::builder().add_service(service)).await;
        (collector, url)
    }

    /// Refuses every export from now on with UNAVAILABLE, or takes it again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.0.refuses.store(refuses, Relaxed);
    }

    /// Returns how many exports have arrived, with those that were refused.
    pub(crate) fn exports(&self) -> usize {
        self.0.exports.load(Relaxed)
    }

    /// Returns the last export that was not refused.
    pub(crate) fn last(&self) -> Option<Export> {
        self.0.last.lock().expect("no panic").clone()
    }

    /// Waits for an export that `is` accepts.
    pub(crate) async fn export(&self, is: impl Fn(&Export) -> bool) -> Export {
        let found = wait(&self.0.came, || self.last().filter(&is)).await;
        found.unwrap_or_else(|| panic!("not as expected: {:#?}", self.last()))
    }
}

#[tonic::async_trait]
impl MetricsService for MetricCollector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.0.exports.fetch_add(1, Relaxed);
        if self.0.refuses.load(Relaxed) {
            return Err(Status::unavailable("not now"));
        }
        let (headers, _, mut request) = request.into_parts();
        let batch = request.resource_metrics.remove(0);
        let resource = batch.resource.map(|resource| texts(&resource.attributes));
        let metrics = batch.scope_metrics.into_iter().flat_map(|scope| scope.metrics).collect();
        let resource = resource.unwrap_or_default();
        *self.0.last.lock().expect("no panic") = Some(Export { headers, resource, metrics });
        self.0.came.notify_waiters();
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
