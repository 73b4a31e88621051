//! A collector of spans: OTLP over gRPC.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use tokio::{net::TcpListener, sync::Notify, time::timeout};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use super::process::NEVER;

/// The spans that have arrived.
#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<Inner>);

#[derive(Default)]
struct Inner {
    spans: Mutex<Vec<Collected>>,
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

fn value(attributes: &[KeyValue], key: &str) -> Option<Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    match value(attributes, key)? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

impl Collector {
    /// Listens on the loopback interface. Returns the URL too.
    pub(crate) async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let service = TraceServiceServer::new(collector.clone());
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        (collector, url)
    }

    /// Waits for a span that `is` accepts.
    pub(crate) async fn span(&self, is: impl Fn(&Collected) -> bool) -> Collected {
        let find = async {
            loop {
                let came = self.0.came.notified();
                if let Some(span) = self.spans().into_iter().find(&is) {
                    return span;
                }
                came.await;
            }
        };
        let found = timeout(NEVER, find).await;
        found.unwrap_or_else(|_| panic!("no such span in {:#?}", self.spans()))
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
