//! The export of metrics to a collector: OTLP over gRPC.
//!
//! It has no metrics SDK of OpenTelemetry: the caller converts its metrics to OTLP messages.

mod environment;

use std::time::Duration;

use http::Uri;
use opentelemetry_proto::{
    tonic::{
        collector::metrics::v1::{
            ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient,
        },
        common::v1::{InstrumentationScope, KeyValue},
        metrics::v1::{Metric, ResourceMetrics, ScopeMetrics},
        resource::v1::Resource,
    },
    transform::common::tonic::{Attributes, ResourceAttributesWithSchema},
};
use tokio::time::timeout;
use tonic::{Code, Request, Status, metadata::MetadataMap, transport::Channel};

use crate::{
    code::{code_name, is_server_failure},
    escape::Escaped,
    export::{Malformed, catch_malformed, resource},
    trace::Conventions,
};

pub use environment::interval;

/// Why metrics were not sent.
#[derive(Debug, thiserror::Error)]
pub enum MetricExportError {
    /// The collector has no such service.
    #[error("the collector takes no metrics (UNIMPLEMENTED)")]
    Unimplemented,
    /// The collector refuses them, or cannot be reached.
    #[error("{}: {}", code_name(.0.code()), Escaped(.0.message()))]
    Status(Box<Status>),
    /// The collector has not responded in time.
    #[error("the collector did not respond within {0:?}")]
    Timeout(Duration),
    /// The collector has dropped some of them.
    #[error("the collector refused {values} of the values: {}", Escaped(.message))]
    Rejected {
        /// How many values.
        values: i64,
        /// The collector's reason.
        message: String,
    },
    /// The collector's response cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl MetricExportError {
    /// Returns whether the collector could not be reached, so that a later attempt can succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Status(status) if status.code() == Code::Unavailable)
    }
}

/// Sends metrics to one collector.
#[derive(Debug, Clone)]
pub struct MetricExporter {
    client: MetricsServiceClient<Channel>,
    resource: Resource,
    scope: InstrumentationScope,
    headers: MetadataMap,
    timeout: Duration,
}

impl MetricExporter {
    /// Returns an exporter that connects when it first sends, in the runtime that this is called
    /// in. The resource is that of spans.
    ///
    /// Timeout and headers follow the variables of OpenTelemetry (`OTEL_EXPORTER_OTLP_*`,
    /// `OTEL_METRIC_EXPORT_TIMEOUT`).
    pub fn new(endpoint: Uri, name: &'static str, version: &'static str) -> Self {
        let resource = ResourceAttributesWithSchema::from(&resource(name, version));
        let attributes = resource.attributes.0;
        Self {
            client: MetricsServiceClient::new(Channel::builder(endpoint).connect_lazy()),
            resource: Resource { attributes, ..Resource::default() },
            scope: InstrumentationScope {
                name: name.to_owned(),
                version: version.to_owned(),
                ..InstrumentationScope::default()
            },
            headers: environment::headers(),
            timeout: environment::timeout(),
        }
    }

    /// Sends these metrics.
    ///
    /// # Errors
    ///
    /// Returns an error if the collector does not take all of them in time.
    pub async fn export(&self, metrics: Vec<Metric>) -> Result<(), MetricExportError> {
        let scope_metrics =
            ScopeMetrics { scope: Some(self.scope.clone()), metrics, ..ScopeMetrics::default() };
        let resource_metrics = ResourceMetrics {
            resource: Some(self.resource.clone()),
            scope_metrics: vec![scope_metrics],
            ..ResourceMetrics::default()
        };
        let request = ExportMetricsServiceRequest { resource_metrics: vec![resource_metrics] };
        let mut request = Request::new(request);
        *request.metadata_mut() = self.headers.clone();
        request.set_timeout(self.timeout);
        let mut client = self.client.clone();
        let exported = timeout(self.timeout, catch_malformed(client.export(request))).await;
        let response = exported.map_err(|_| MetricExportError::Timeout(self.timeout))??;
        let response = response.map_err(|status| match status.code() {
            Code::Unimplemented => MetricExportError::Unimplemented,
            _ => MetricExportError::Status(Box::new(status)),
        })?;
        match response.into_inner().partial_success {
            Some(partial) if partial.rejected_data_points > 0 => Err(MetricExportError::Rejected {
                values: partial.rejected_data_points,
                message: partial.error_message,
            }),
            _ => Ok(()),
        }
    }
}

/// Returns the attributes of a value that is of calls of one method that ended with this code:
/// those of their spans. A method is its service and its name, or `None` if it is unknown.
pub fn call_attributes(method: Option<(&str, &str)>, code: Code) -> Vec<KeyValue> {
    let conventions = Conventions::TODAY;
    let begin = match method {
        Some((service, method)) => conventions.of_begin(service, method),
        None => Conventions::of_unknown(),
    };
    let end = conventions.of_end(code, is_server_failure(code));
    Attributes::from(begin.into_iter().chain(end)).0
}
