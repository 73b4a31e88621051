//! A collector of spans and log records: OTLP over gRPC.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{
            ExportLogsServiceRequest, ExportLogsServiceResponse,
            logs_service_server::{LogsService, LogsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value::Value},
    logs::v1::LogRecord,
    trace::v1::Span,
};
use tokio::{net::TcpListener, sync::Notify, time::timeout};
use tonic::{
    Request, Response, Status,
    transport::{
        Server,
        server::{Router, TcpIncoming},
    },
};

use super::process::NEVER;

/// The spans and log records that have arrived.
#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<Inner>);

#[derive(Default)]
struct Inner {
    spans: Mutex<Vec<Collected>>,
    records: Mutex<Vec<CollectedRecord>>,
    came: Notify,
}

/// A span, and the name of its service.
#[derive(Debug, Clone)]
pub(crate) struct Collected {
    pub(crate) service: String,
    resource: Vec<KeyValue>,
    pub(crate) span: Span,
}

impl Collected {
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        text(&self.span.attributes, key)
    }

    pub(crate) fn resource_text(&self, key: &str) -> Option<String> {
        text(&self.resource, key)
    }

    pub(crate) fn number(&self, key: &str) -> Option<i64> {
        match value(&self.span.attributes, key)? {
            Value::IntValue(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn nanoseconds(&self) -> u64 {
        self.span.end_time_unix_nano - self.span.start_time_unix_nano
    }
}

/// A log record, the name of its service, and its scope.
#[derive(Debug, Clone)]
pub(crate) struct CollectedRecord {
    pub(crate) service: String,
    pub(crate) scope: String,
    pub(crate) record: LogRecord,
}

impl CollectedRecord {
    pub(crate) fn body(&self) -> &str {
        match self.record.body.as_ref().and_then(|body| body.value.as_ref()) {
            Some(Value::StringValue(text)) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    pub(crate) fn value(&self, key: &str) -> Option<Value> {
        value(&self.record.attributes, key)
    }
}

fn value(attributes: &[KeyValue], key: &str) -> Option<Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    match value(attributes, key)? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// Returns an id as the log and `traceparent` have it.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Serves the services of a collector. Returns their URL.
pub(super) async fn serve(address: &str, services: Router) -> String {
    let listener = TcpListener::bind(address).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(services.serve_with_incoming(TcpIncoming::from(listener)));
    url
}

/// Waits until `find` finds something, and looks again each time that something `came`. Returns
/// `None` if nothing is found in time.
pub(super) async fn wait<T>(came: &Notify, find: impl Fn() -> Option<T>) -> Option<T> {
    let found = async {
        loop {
            // Before the look, so that nothing comes unnoticed.
            let next = came.notified();
            if let Some(found) = find() {
                return found;
            }
            next.await;
        }
    };
    timeout(NEVER, found).await.ok()
}

impl Collector {
    /// Collects spans alone. Listens on the loopback interface. Returns the URL too.
    pub(crate) async fn start() -> (Self, String) {
        let collector = Self::default();
        let service = TraceServiceServer::new(collector.clone());
        let url = serve("127.0.0.1:0", Server::builder().add_service(service)).await;
        (collector, url)
    }

    /// Collects spans and log records at an address, such as 127.0.0.1:0. Returns the URL too.
    pub(crate) async fn start_with_logs(address: &str) -> (Self, String) {
        let collector = Self::default();
        let services = Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(LogsServiceServer::new(collector.clone()));
        (collector, serve(address, services).await)
    }

    /// Waits for a span that `is` accepts.
    pub(crate) async fn span(&self, is: impl Fn(&Collected) -> bool) -> Collected {
        let found = wait(&self.0.came, || self.spans().into_iter().find(&is)).await;
        found.unwrap_or_else(|| panic!("no such span in {:#?}", self.spans()))
    }

    /// Waits for a log record with this body.
    pub(crate) async fn record(&self, body: &str) -> CollectedRecord {
        let find = || self.records().into_iter().find(|record| record.body() == body);
        let found = wait(&self.0.came, find).await;
        found.unwrap_or_else(|| panic!("no record {body:?} in {:#?}", self.records()))
    }

    pub(crate) fn records(&self) -> Vec<CollectedRecord> {
        self.0.records.lock().expect("no panic").clone()
    }

    pub(crate) fn spans(&self) -> Vec<Collected> {
        self.0.spans.lock().expect("no panic").clone()
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for batch in request.into_inner().resource_spans {
            let attributes = batch.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = text(&attributes, "service.name").expect("a name");
            let spans = batch.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let spans = spans.map(|span| Collected {
                service: service.clone(),
                resource: attributes.clone(),
                span,
            });
            self.0.spans.lock().expect("no panic").extend(spans);
        }
        self.0.came.notify_waiters();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        for batch in request.into_inner().resource_logs {
            let attributes = batch.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = text(&attributes, "service.name").expect("a name");
            for logs in batch.scope_logs {
                let scope = logs.scope.map(|scope| scope.name).unwrap_or_default();
                let records = logs.log_records.into_iter().map(|record| CollectedRecord {
                    service: service.clone(),
                    scope: scope.clone(),
                    record,
                });
                self.0.records.lock().expect("no panic").extend(records);
            }
        }
        self.0.came.notify_waiters();
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}
