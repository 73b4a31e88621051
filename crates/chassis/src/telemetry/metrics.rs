//! Metrics of every call, by the names of go-grpc-prometheus, which dashboards know.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use opentelemetry_proto::tonic::metrics::v1::Metric;
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder,
        prometheus_protobuf::{self, prometheus_data_model as message},
    },
    metrics::{counter::Counter, family::Family, histogram::Histogram, info::Info},
    registry::Registry,
};
use prost::Message;
use wire::trace::ServerSpan;

use super::{
    call_durations::CallDurations,
    exposition::{Format, text},
    families::Families,
    labels::{CODES, CodeLabels, MethodLabels, ReasonLabels, code_number},
    latency::{Exemplars, histogram},
    otlp::{self, Times},
    panics,
    process::Process,
    refused::Refused,
};
use crate::{
    call::Call,
    config,
    method::{Method, MethodTable, Origin},
};

/// The name of the histogram that has exemplars.
const HANDLING: &str = "grpc_server_handling_seconds";

/// The prefix of all metrics but those of gRPC and of the process. It is the same for every
/// service, so that alerts and dashboards need no rename: they select by `job`.
const PREFIX: &str = "chassis";

/// The metrics of a server. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    // By the index of the method. Every series exists from the start: a call searches
    // nothing, and the rate over a first failure is right.
    methods: Vec<MethodMetrics>,
    queue_wait: Histogram,
    /// By the value of the reason.
    refused: [Counter; Refused::ALL.len()],
    registry: Mutex<Registry>,
    /// When all counts were 0.
    start: SystemTime,
}

#[derive(Debug)]
struct MethodMetrics {
    started: Counter,
    handled: [Counter; CODES.len()],
    handling: Histogram,
    exemplars: Exemplars,
    /// `None` if metrics are not sent by OTLP.
    by_code: Option<Box<CallDurations>>,
    labels: MethodLabels,
    is_known: bool,
    /// Messages received and sent; `None` for a unary method.
    messages: Option<[Counter; 2]>,
}

impl Metrics {
    /// Returns the metrics of a server with these methods and this version.
    pub(crate) fn new(
        methods: &MethodTable,
        version: &'static str,
        settings: &config::Metrics,
    ) -> Self {
        let (buckets, is_sent) = (settings.histograms, settings.endpoint.is_some());
        let mut registry = Registry::default();
        let started = Family::<MethodLabels, Counter>::default();
        let handled = Family::<CodeLabels, Counter>::default();
        let handling =
            Family::<MethodLabels, Histogram, _>::new_with_constructor(move || histogram(buckets));
        let (started_help, handled_help, handling_help) = (
            "Calls that began",
            "Calls that ended, by status code",
            "Time from the beginning of a call to its end, with its time in the queue, in seconds",
        );
        let received = Family::<MethodLabels, Counter>::default();
        let sent = Family::<MethodLabels, Counter>::default();
        registry.register("grpc_server_started", started_help, started.clone());
        registry.register("grpc_server_handled", handled_help, handled.clone());
        registry.register(HANDLING, handling_help, handling.clone());
        let received_help = "Messages of streaming methods that were received";
        registry.register("grpc_server_msg_received", received_help, received.clone());
        let sent_help = "Messages of streaming methods that were sent";
        registry.register("grpc_server_msg_sent", sent_help, sent.clone());

        let queue_wait = histogram(buckets);
        let refused = Family::<ReasonLabels, Counter>::default();
        let build = Info::new([("version", version)]);
        let own = registry.sub_registry_with_prefix(PREFIX);
        let queue_wait_help = "Time of a call in the queue, in seconds";
        own.register("queue_wait_seconds", queue_wait_help, queue_wait.clone());
        let refused_help = "Requests that were refused before they were calls, by reason";
        own.register("requests_refused", refused_help, refused.clone());
        own.register_collector(Box::new(Reader(|families: &mut Families<'_>| {
            let help = "Panics of handlers, of background tasks and of everything else.";
            families.counter("panics", help, panics::count() as f64)
        })));
        own.register("build", "The version that is running", build);
        registry.register_collector(Box::new(Process));

        let methods = methods.all().map(|method| {
            let labels = MethodLabels::of(method);
            MethodMetrics {
                started: started.get_or_create(&labels).clone(),
                handled: CODES.map(|code| handled.get_or_create(&labels.with(code)).clone()),
                handling: handling.get_or_create(&labels).clone(),
                exemplars: Exemplars::default(),
                by_code: is_sent.then(Box::default),
                is_known: method.origin() != Origin::None,
                messages: (!method.is_unary()).then(|| {
                    [&received, &sent].map(|family| family.get_or_create(&labels).clone())
                }),
                labels,
            }
        });
        let methods = methods.collect();
        let refused = Refused::ALL
            .map(|why| refused.get_or_create(&ReasonLabels { reason: why.name() }).clone());
        let (registry, start) = (Mutex::new(registry), SystemTime::now());
        Self(Arc::new(Inner { methods, queue_wait, refused, registry, start }))
    }

    /// Adds metrics of the chassis that `read` writes at each scrape.
    pub(crate) fn add(
        &self,
        read: impl Fn(&mut Families<'_>) -> fmt::Result + Send + Sync + 'static,
    ) {
        let reader = Box::new(Reader(read));
        self.registry().sub_registry_with_prefix(PREFIX).register_collector(reader);
    }

    pub(super) fn count_started(&self, method: &Method) {
        self.0.methods[method.index()].started.inc();
    }

    pub(super) fn record(&self, call: &Call, took: Duration) {
        let method = &self.0.methods[call.method().index()];
        method.handled[code_number(call.code())].inc();
        let seconds = took.as_secs_f64();
        method.handling.observe(seconds);
        if let Some(recorded) = call.span().and_then(ServerSpan::recorded) {
            method.exemplars.keep(recorded, seconds);
        }
        if let Some(by_code) = &method.by_code {
            by_code.observe(call.code(), seconds);
        }
        if let Some([received, sent]) = &method.messages {
            received.inc_by(call.messages_in());
            sent.inc_by(call.messages_out());
        }
        if let Some(waited) = call.waited() {
            self.0.queue_wait.observe(waited.as_secs_f64());
        }
    }

    pub(super) fn count_refused(&self, why: Refused) {
        self.0.refused[why as usize].inc();
    }

    /// Returns all metrics in the text format of OpenMetrics 1.0.
    pub(crate) fn open_metrics(&self) -> String {
        text(&self.snapshot(), Format::OpenMetrics)
    }

    /// Returns all metrics in Prometheus' own text format (version 0.0.4).
    pub(crate) fn prometheus_text(&self) -> String {
        text(&self.snapshot(), Format::Prometheus)
    }

    /// Returns all metrics in Prometheus' own text format. Each histogram has its buckets, also if
    /// they are native ones.
    pub(crate) fn detailed_text(&self) -> String {
        text(&self.snapshot(), Format::Detailed)
    }

    /// Returns all metrics as messages of Prometheus' protobuf format, each with its length.
    pub(crate) fn protobuf(&self) -> Vec<u8> {
        let families = self.snapshot();
        families.iter().flat_map(Message::encode_length_delimited_to_vec).collect()
    }

    /// Returns all metrics as messages of OTLP. The durations of calls are among them by two names:
    /// that of /metrics, and OpenTelemetry's.
    pub(super) fn otlp(&self) -> Vec<Metric> {
        let times = Times::since(self.0.start);
        let mut metrics = otlp::metrics(&self.snapshot(), times);
        let methods = self.0.methods.iter().filter_map(|method| {
            let names = method.is_known.then(|| method.labels.names());
            Some((names, method.by_code.as_deref()?))
        });
        metrics.extend(otlp::call_durations(methods, times));
        metrics
    }

    /// Returns all metrics, with their exemplars.
    fn snapshot(&self) -> Vec<message::MetricFamily> {
        let encoded = prometheus_protobuf::encode(&self.registry());
        let mut families = encoded.expect("no time is before 1970, and no count above 2^63");
        let handling = families.iter_mut().find(|family| family.name == HANDLING);
        let methods = self.0.methods.iter().map(|method| (method.labels.names(), method));
        let methods: HashMap<_, _> = methods.collect();
        for metric in handling.into_iter().flat_map(|family| &mut family.metric) {
            let method = methods.get(&MethodLabels::names_in(&metric.label));
            if let Some((method, histogram)) = method.zip(metric.histogram.as_mut()) {
                method.exemplars.add_to(histogram);
            }
        }
        families
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // A panic of a reader must not end all later scrapes.
        self.0.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reader<F>(F);

impl<F> fmt::Debug for Reader<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Reader")
    }
}

impl<F> Collector for Reader<F>
where
    F: Fn(&mut Families<'_>) -> fmt::Result + Send + Sync + 'static,
{
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)(&mut Families(encoder))
    }
}
