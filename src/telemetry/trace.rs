//! Spans, as OpenTelemetry has them, and their way to a collector.
//!
//! Without an endpoint none of this exists, and a call pays for one `None`.

use std::{
    env,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use tonic::Code;

use super::{Method, Peer, Progress, code_name};
use crate::config;

/// Makes spans and sends them in batches.
#[derive(Debug, Clone)]
pub struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Tracing {
    /// Sends to the endpoint of the settings; nothing where there is none. Spans
    /// are sent in the runtime that this is called in.
    ///
    /// Its queue, batches and timeouts follow the variables of OpenTelemetry
    /// (`OTEL_BSP_*`, `OTEL_EXPORTER_OTLP_*`), as do the attributes of the process
    /// (`OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME`).
    ///
    /// # Errors
    ///
    /// Where those variables make no exporter.
    pub fn start(settings: &config::Tracing) -> Result<Option<Self>, ExporterBuildError> {
        let Some(endpoint) = &settings.endpoint else { return Ok(None) };
        let endpoint = endpoint.get().to_string();
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
        let sampler = Sampler::TraceIdRatioBased(settings.sample.get());
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_resource(resource())
            .build();
        let tracer = provider.tracer(env!("CARGO_PKG_NAME"));
        Ok(Some(Self { provider, tracer }))
    }

    /// A call begins here: as part of its caller's trace where it has one.
    pub(super) fn begin_call(
        &self,
        method: Method,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Option<CallSpan> {
        let parent =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
        let mut attributes = Vec::from(rpc(method));
        attributes.extend(
            peer.map(|peer| KeyValue::new("client.address", peer.address.ip().to_string())),
        );
        Some(self.begin(method, SpanKind::Server, attributes, &parent))
    }

    /// A call to another server begins here, and a trace with it.
    pub fn begin_client_call(&self, method: Method) -> ClientSpan {
        let span =
            self.begin(method, SpanKind::Client, Vec::from(rpc(method)), &Context::current());
        ClientSpan { span, code: Code::Cancelled }
    }

    fn begin(
        &self,
        method: Method,
        kind: SpanKind,
        attributes: Vec<KeyValue>,
        parent: &Context,
    ) -> CallSpan {
        let start = SystemTime::now();
        let name = format!("{}/{}", method.service(), method.name());
        let span = self.tracer.span_builder(name).with_kind(kind).with_start_time(start);
        let span = span.with_attributes(attributes).start_with_context(&self.tracer, parent);
        CallSpan { tracer: self.tracer.clone(), context: parent.with_span(span), start }
    }

    /// Sends the spans that are left, for no longer than `bound`. Blocks.
    ///
    /// # Errors
    ///
    /// Where they could not be sent in time.
    pub fn shut_down(&self, bound: Duration) -> OTelSdkResult {
        self.provider.shutdown_with_timeout(bound)
    }
}

/// The span of one call.
#[derive(Debug)]
pub struct CallSpan {
    tracer: SdkTracer,
    context: Context,
    start: SystemTime,
}

impl CallSpan {
    /// What is current while the call is handled: calls of others that it makes
    /// are part of its trace.
    pub fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn trace_id(&self) -> String {
        self.context.span().span_context().trace_id().to_string()
    }

    /// Ends the span of a call that was served here, with its time in the queue as
    /// a span of its own where there was one.
    pub(super) fn end(self, code: Code, progress: &Progress) {
        let span = self.context.span();
        if let Some(waited) = progress.waited().filter(|_| span.is_recording()) {
            let began = self.start + progress.wait_began();
            let queue = self.tracer.span_builder("queue").with_start_time(began);
            queue
                .start_with_context(&self.tracer, &self.context)
                .end_with_timestamp(began + waited);
        }
        // What is the caller's mistake, or its wish, is no error of the server
        // (OpenTelemetry's conventions for gRPC).
        let failed = matches!(
            code,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        );
        self.end_with(code, failed);
    }

    fn end_with(&self, code: Code, failed: bool) {
        let span = self.context.span();
        span.set_attribute(KeyValue::new("rpc.grpc.status_code", i64::from(i32::from(code))));
        if failed {
            span.set_status(Status::error(code_name(code)));
        }
        span.end();
    }
}

/// The span of a call that is made from here, until it is dropped.
#[derive(Debug)]
pub struct ClientSpan {
    span: CallSpan,
    /// What a call ends with that nobody waits for any more, until another is known.
    code: Code,
}

impl ClientSpan {
    /// Passes the trace on (W3C Trace Context: `traceparent` and `tracestate`).
    pub fn inject(&self, headers: &mut HeaderMap) {
        TraceContextPropagator::new().inject_context(&self.span.context, &mut HeadersMut(headers));
    }

    /// These headers or trailers may say how the call ended.
    pub fn read_status(&mut self, headers: &HeaderMap) {
        if let Some(status) = tonic::Status::from_header_map(headers) {
            self.code = status.code();
        }
    }

    /// The call ended with this status.
    pub fn failed(&mut self, status: &tonic::Status) {
        self.code = status.code();
    }
}

impl Drop for ClientSpan {
    fn drop(&mut self) {
        self.span.end_with(self.code, self.code != Code::Ok);
    }
}

fn rpc(method: Method) -> [KeyValue; 3] {
    [
        KeyValue::new("rpc.system", "grpc"),
        KeyValue::new("rpc.service", method.service()),
        KeyValue::new("rpc.method", method.name()),
    ]
}

/// What the spans are of. The name is the program's, unless a variable has another.
fn resource() -> Resource {
    let is_named = env::var_os("OTEL_SERVICE_NAME").is_some_and(|name| !name.is_empty())
        || env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|text| text.contains("service.name="));
    let resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if is_named {
        return resource.build();
    }
    resource.with_service_name(env!("CARGO_PKG_NAME")).build()
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let all: Vec<_> =
            self.0.get_all(key).iter().filter_map(|value| value.to_str().ok()).collect();
        (!all.is_empty()).then_some(all)
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty `tracestate` says nothing.
        if let (false, Ok(name), Ok(value)) =
            (value.is_empty(), key.parse::<HeaderName>(), HeaderValue::try_from(value))
        {
            self.0.insert(name, value);
        }
    }
}
