//! Spans as OpenTelemetry defines them, their export to a collector, and how a trace
//! crosses a connection (W3C Trace Context).

mod conventions;
mod exporter;
mod headers;

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator,
    trace::{Span, SpanId, SpanKind, Status, TraceContextExt, TraceId, Tracer, TracerProvider},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use tonic::Code;

use crate::{
    code::{code_name, is_server_failure},
    export::{Counts, ExportStartError, Lost, resource},
    runtime::start_thread,
    trace_context::IncomingTrace,
};

use exporter::Counted;
use headers::HeadersMut;

pub(crate) use conventions::Conventions;

/// Where spans are sent, and which.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// The collector's URL, for OTLP over gRPC.
    pub endpoint: String,
    /// The share of the traces that begin here which are recorded, from 0.0 to 1.0.
    pub sample: f64,
}

/// Makes spans and sends them in batches.
#[derive(Debug, Clone)]
pub struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    conventions: Conventions,
    counts: Arc<Counts>,
}

impl Tracing {
    /// Starts the export, in the runtime that this is called in. The resource has this
    /// name as `service.name` and this version as `service.version`.
    ///
    /// The queue, batches and timeouts follow the variables of OpenTelemetry (`OTEL_BSP_*`,
    /// `OTEL_EXPORTER_OTLP_*`), as do the resource (`OTEL_RESOURCE_ATTRIBUTES`,
    /// `OTEL_SERVICE_NAME`) and the attributes (`OTEL_SEMCONV_STABILITY_OPT_IN`).
    ///
    /// # Errors
    ///
    /// Returns an error if no exporter can be built from these variables, or if the system has
    /// no thread left for it.
    pub fn start(
        settings: &TraceSettings,
        name: &'static str,
        version: &'static str,
    ) -> Result<Self, ExportStartError> {
        let exporter =
            SpanExporter::builder().with_tonic().with_endpoint(&settings.endpoint).build()?;
        let sampler = Sampler::TraceIdRatioBased(settings.sample);
        let provider = SdkTracerProvider::builder();
        let counts = Arc::new(Counts::new("span"));
        let exporter = Counted::new(exporter, Arc::clone(&counts));
        let provider = start_thread(|| provider.with_batch_exporter(exporter));
        let provider = provider
            .map_err(ExportStartError::Thread)?
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_resource(resource(name, version))
            .build();
        let tracer = provider.tracer(name);
        Ok(Self { provider, tracer, conventions: Conventions::from_environment(), counts })
    }

    /// Begins the span of an incoming call: in the trace that its headers carry, or in a new
    /// one.
    pub fn begin_server_span(
        &self,
        service: &str,
        method: &str,
        headers: &HeaderMap,
        client: Option<IpAddr>,
    ) -> ServerSpan {
        let parent = TraceContextPropagator::new()
            .extract_with_context(&Context::new(), &IncomingTrace::of(headers));
        let mut attributes = self.conventions.of_begin(service, method);
        attributes.extend(client.map(|ip| KeyValue::new("client.address", ip.to_string())));
        ServerSpan(self.begin(service, method, SpanKind::Server, attributes, &parent))
    }

    /// Begins the span of an outgoing call of `path`, such as `/SampleService/Call`, as a
    /// child of `parent`.
    pub fn begin_client_span(&self, path: &str, parent: &Context) -> ClientSpan {
        let mut names = path.trim_start_matches('/').splitn(2, '/');
        let (service, method) =
            (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        let attributes = self.conventions.of_begin(service, method);
        let span = self.begin(service, method, SpanKind::Client, attributes, parent);
        ClientSpan { span, code: Code::Cancelled }
    }

    fn begin(
        &self,
        service: &str,
        method: &str,
        kind: SpanKind,
        attributes: Vec<KeyValue>,
        parent: &Context,
    ) -> CallSpan {
        let start = SystemTime::now();
        let name = format!("{service}/{method}");
        let span = self.tracer.span_builder(name).with_kind(kind).with_start_time(start);
        let span = span.with_attributes(attributes).start_with_context(&self.tracer, parent);
        CallSpan {
            tracer: self.tracer.clone(),
            conventions: self.conventions,
            counts: Arc::clone(&self.counts),
            context: parent.with_span(span),
            start,
        }
    }

    /// Sends the spans that are left, for no longer than `bound`. Blocks.
    ///
    /// # Errors
    ///
    /// Returns an error if they could not be sent in time.
    pub fn shut_down(&self, bound: Duration) -> OTelSdkResult {
        self.provider.shutdown_with_timeout(bound)
    }

    /// Returns how many spans were lost, after [`shut_down`](Self::shut_down) has returned
    /// `error`; `None` if all were sent.
    pub fn lost(&self, error: Option<OTelSdkError>) -> Option<Lost> {
        self.counts.lost(error.map(|error| error.to_string()))
    }
}

#[derive(Debug)]
struct CallSpan {
    tracer: SdkTracer,
    conventions: Conventions,
    counts: Arc<Counts>,
    context: Context,
    start: SystemTime,
}

impl CallSpan {
    fn end(&self, code: Code, is_error: bool) {
        let span = self.context.span();
        span.set_attributes(self.conventions.of_end(code, is_error));
        if is_error {
            span.set_status(Status::error(code_name(code)));
        }
        span.end();
        if span.span_context().is_sampled() {
            self.counts.add();
        }
    }
}

/// The span of an incoming call.
#[derive(Debug)]
pub struct ServerSpan(CallSpan);

impl ServerSpan {
    /// Returns the context that is current while the call is handled, so that outgoing calls
    /// are part of its trace.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// Returns the trace id in hexadecimal.
    pub fn trace_id(&self) -> String {
        self.0.context.span().span_context().trace_id().to_string()
    }

    /// Returns the ids of the trace and of the span, if they are recorded.
    pub fn recorded(&self) -> Option<(TraceId, SpanId)> {
        let span = self.0.context.span();
        let context = span.span_context();
        context.is_sampled().then(|| (context.trace_id(), context.span_id()))
    }

    /// Adds a child span for the time in the queue: from `began` after the start of the
    /// call, for `waited`.
    pub fn add_queue_span(&self, began: Duration, waited: Duration) {
        let CallSpan { tracer, counts, context, start, .. } = &self.0;
        if context.span().is_recording() {
            let began = *start + began;
            let queue = tracer.span_builder("queue").with_start_time(began);
            queue.start_with_context(tracer, context).end_with_timestamp(began + waited);
            counts.add();
        }
    }

    /// Ends the span, as an error if the code is a failure of the server.
    pub fn end(&self, code: Code) {
        self.0.end(code, is_server_failure(code));
    }
}

/// The span of an outgoing call. It ends when it is dropped.
#[derive(Debug)]
pub struct ClientSpan {
    span: CallSpan,
    /// CANCELLED until another code is known, because the span of a call that is dropped has that.
    code: Code,
}

impl ClientSpan {
    /// Adds `traceparent` and `tracestate` to the headers.
    pub fn inject(&self, headers: &mut HeaderMap) {
        TraceContextPropagator::new().inject_context(&self.span.context, &mut HeadersMut(headers));
    }

    /// Reads the code from headers or trailers, if they have one.
    pub fn read_status(&mut self, headers: &HeaderMap) {
        if let Some(code) = headers.get(tonic::Status::GRPC_STATUS) {
            self.code = Code::from_bytes(code.as_bytes());
        }
    }

    /// Records that the call failed with this status.
    pub fn failed(&mut self, status: &tonic::Status) {
        self.code = status.code();
    }
}

impl Drop for ClientSpan {
    fn drop(&mut self) {
        self.span.end(self.code, self.code != Code::Ok);
    }
}
