//! Metrics of every call, by the names of go-grpc-prometheus, which dashboards know.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, histogram::Histogram, info::Info},
    registry::Registry,
};
use tonic::Code;

use super::{families::Families, panics, process::Process, refused::Refused};
use crate::{
    call::Call,
    method::{Method, MethodTable},
};

/// The prefix of all metrics but those of gRPC and of the process. It is the same for every
/// service, so that alerts and dashboards need no rename: they select by `job`.
const PREFIX: &str = "chassis";

/// Upper bounds in seconds: those that dashboards expect, and finer ones below.
const BUCKETS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// The codes by number, as go-grpc-prometheus names them.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

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
}

#[derive(Debug)]
struct MethodMetrics {
    started: Counter,
    handled: [Counter; CODES.len()],
    handling: Histogram,
    /// Messages received and sent; `None` for a unary method.
    messages: Option<[Counter; 2]>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
    grpc_code: &'static str,
}

impl MethodLabels {
    fn of(method: &Method) -> Self {
        Self {
            grpc_type: method.kind().label(),
            grpc_service: method.service().to_owned(),
            grpc_method: method.name().to_owned(),
        }
    }

    fn with(&self, grpc_code: &'static str) -> CodeLabels {
        let Self { grpc_type, grpc_service, grpc_method } = self.clone();
        CodeLabels { grpc_type, grpc_service, grpc_method, grpc_code }
    }
}

impl Metrics {
    /// Returns the metrics of a server with these methods and this version.
    pub(crate) fn new(methods: &MethodTable, version: &'static str) -> Self {
        let mut registry = Registry::default();
        let started = Family::<MethodLabels, Counter>::default();
        let handled = Family::<CodeLabels, Counter>::default();
        let handling: Family<MethodLabels, Histogram> = Family::new_with_constructor(histogram);
        let (started_help, handled_help, handling_help) = (
            "Calls that began",
            "Calls that ended, by status code",
            "Time from the beginning of a call to its end, with its time in the queue, in seconds",
        );
        let received = Family::<MethodLabels, Counter>::default();
        let sent = Family::<MethodLabels, Counter>::default();
        registry.register("grpc_server_started", started_help, started.clone());
        registry.register("grpc_server_handled", handled_help, handled.clone());
        registry.register("grpc_server_handling_seconds", handling_help, handling.clone());
        let received_help = "Messages of streaming methods that were received";
        registry.register("grpc_server_msg_received", received_help, received.clone());
        let sent_help = "Messages of streaming methods that were sent";
        registry.register("grpc_server_msg_sent", sent_help, sent.clone());

        let queue_wait = histogram();
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
                messages: (!method.is_unary()).then(|| {
                    [&received, &sent].map(|family| family.get_or_create(&labels).clone())
                }),
            }
        });
        let methods = methods.collect();
        let refused = Refused::ALL
            .map(|why| refused.get_or_create(&ReasonLabels { reason: why.name() }).clone());
        Self(Arc::new(Inner { methods, queue_wait, refused, registry: Mutex::new(registry) }))
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
        method.handling.observe(took.as_secs_f64());
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
        let mut text = String::new();
        let encoded = text::encode(&mut text, &self.registry());
        encoded.expect("text takes all that is written");
        text
    }

    /// Returns all metrics in Prometheus' own text format (version 0.0.4).
    pub(crate) fn prometheus_text(&self) -> String {
        as_prometheus_text(&self.open_metrics())
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.registry.lock().expect("nothing panics while it encodes")
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
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

fn code_number(code: Code) -> usize {
    usize::try_from(i32::from(code)).expect("no code is negative")
}

/// Converts OpenMetrics to Prometheus' text format. For what is written here they differ in
/// three ways: the names of counters and infos in HELP and TYPE, the type of an info, and the
/// last line.
fn as_prometheus_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // HELP comes before TYPE, and its name depends on the type.
    let mut help = None;
    for line in open_metrics.lines() {
        if line.starts_with("# HELP ") {
            help = Some(line);
        } else if let Some(named) = line.strip_prefix("# TYPE ") {
            let (name, kind) = named.split_once(' ').expect("a name and a type");
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                _ => ("", kind),
            };
            if let Some(help) = help.take().and_then(|help| help.strip_prefix("# HELP ")) {
                let (_, words) = help.split_once(' ').expect("a name and its help");
                push(&mut text, format_args!("# HELP {name}{suffix} {words}\n"));
            }
            push(&mut text, format_args!("# TYPE {name}{suffix} {kind}\n"));
        } else if line != "# EOF" {
            push(&mut text, format_args!("{line}\n"));
        }
    }
    text
}

fn push(text: &mut String, line: fmt::Arguments<'_>) {
    fmt::Write::write_fmt(text, line).expect("text takes all that is written");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_in_numerical_order() {
        for (number, name) in CODES.iter().enumerate() {
            let code = Code::from_i32(i32::try_from(number).expect("it is small"));
            // Go writes "Canceled" with one l, and no underscores.
            let expected = wire::code::code_name(code).replace('_', "").replace("LL", "L");
            assert_eq!(name.to_uppercase(), expected);
        }
    }

    #[test]
    fn the_prometheus_format_has_full_counter_names_and_no_end_marker() {
        let open_metrics = "# HELP a_b Counts.\n# TYPE a_b counter\na_b_total{c=\"d e\"} 1\n\
                            # HELP i Says.\n# TYPE i info\ni_info{v=\"1\"} 1\n\
                            # HELP g Is.\n# TYPE g gauge\ng 2.5\n# EOF\n";
        let expected = "# HELP a_b_total Counts.\n# TYPE a_b_total counter\na_b_total{c=\"d e\"} 1\n\
                        # HELP i_info Says.\n# TYPE i_info gauge\ni_info{v=\"1\"} 1\n\
                        # HELP g Is.\n# TYPE g gauge\ng 2.5\n";
        assert_eq!(as_prometheus_text(open_metrics), expected);
    }
}
