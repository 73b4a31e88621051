//! The metrics of the server itself, read at each scrape, and the load that it reports.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use super::connections::Connections;
use crate::{
    admission::Queue,
    call::Shared,
    http2::{Budget, MemoryKind},
    lifecycle::{Lifecycle, State},
    load_reports::Sample,
    middleware::Limits,
    telemetry::{Families, LogWriter, Metrics},
    tls::TlsStatus,
};

/// Returns the load of the server for its reports.
pub(super) fn sample(queue: &Queue, budget: &Budget) -> Sample {
    let load = queue.load();
    Sample {
        utilization: queue.utilization(),
        memory: budget.used() as f64 / budget.limit() as f64,
        busy: load.busy,
        waiting: load.waiting,
        expected_wait: queue.expected_wait(),
    }
}

/// The sources of the metrics.
#[derive(Debug, Clone)]
pub(super) struct Observed {
    pub(super) limits: Arc<Limits>,
    pub(super) shared: Arc<Shared>,
    /// Weak, because connections own the metrics, which own this.
    pub(super) connections: Weak<Connections>,
    pub(super) lifecycle: Lifecycle,
    pub(super) tls: Option<TlsStatus>,
    pub(super) log: Option<LogWriter>,
}

impl Observed {
    /// Adds these metrics to every scrape.
    pub(super) fn add_to(self, metrics: &Metrics) {
        metrics.add(move |families| {
            self.write_admission(families)?;
            self.write_connections(families)?;
            self.write_tls(families)?;
            self.write_rest(families)
        });
    }

    fn write_admission(&self, families: &mut Families<'_>) -> fmt::Result {
        let load = self.limits.queue.load();
        // Calls that wait in this first queue do not count as waiting, but its refusals count.
        let before = self.limits.decompressed.load().refused;
        let streams = &self.limits.streams;
        for (name, help, value) in [
            ("workers_busy", "Workers that are busy.", load.busy),
            ("workers_limit", "The concurrency limit of unary calls.", load.max_workers),
            ("queue_length", "Calls in the queue.", load.waiting),
            ("queue_limit", "The length limit of the queue.", load.queue_length),
            ("streams_open", "Streams of services in progress.", streams.open()),
            ("streams_limit", "The limit of streams in progress.", streams.limit()),
        ] {
            families.gauge(name, help, value as f64)?;
        }
        let refused = [
            ("queue_full", (load.refused.queue_full + before.queue_full) as f64),
            ("queue_timeout", (load.refused.queue_timeout + before.queue_timeout) as f64),
            ("too_late", (load.refused.too_late + before.too_late) as f64),
            ("streams", streams.refused() as f64),
        ];
        families.counters("refused", "Calls that were refused, by reason.", "reason", &refused)
    }

    fn write_connections(&self, families: &mut Families<'_>) -> fmt::Result {
        let Some(connections) = self.connections.upgrade() else { return Ok(()) };
        let registry = &connections.registry;
        let open = registry.open_now() as f64;
        families.gauge("connections_open", "Open connections.", open)?;
        let limit = registry.limit() as f64;
        families.gauge("connections_limit", "The limit of open connections.", limit)?;
        let counts = connections.counts();
        let ended = [
            ("closed", counts.closed as f64),
            ("failed", counts.failed as f64),
            ("cut", counts.cut as f64),
        ];
        families.counters("connections_ended", "Connections by how they ended.", "how", &ended)?;
        let refused = [
            ("limit", counts.refused as f64),
            ("peer_limit", counts.refused_peer as f64),
            ("not_accepted", counts.not_accepted as f64),
        ];
        let help = "Connections that were turned away, by reason.";
        families.counters("connections_refused", help, "reason", &refused)?;
        let help = "Idle connections that were ended because a new one had no room.";
        families.counter("connections_evicted", help, registry.evicted() as f64)?;
        let help = "Connections that were ended for what their peers did, by reason.";
        families.counters("connections_abused", help, "reason", &connections.abuses.counts())?;
        self.write_memory(connections.budget(), families)
    }

    fn write_memory(&self, budget: &Budget, families: &mut Families<'_>) -> fmt::Result {
        let limit = budget.limit() as f64;
        families.gauge("memory_limit_bytes", "The memory budget (limits.memory).", limit)?;
        let held = MemoryKind::ALL.map(|kind| (kind.name(), budget.used_for(kind) as f64));
        let help = "Bytes of the memory budget in use, by kind.";
        families.gauges("held_bytes", help, "kind", &held)?;
        let refused = MemoryKind::ALL.map(|kind| (kind.name(), budget.refused(kind) as f64));
        let help = "What the memory budget had no room for, by kind.";
        families.counters("memory_refused", help, "kind", &refused)?;
        let help = "Responses that ended because their clients did not read them, by reason.";
        families.counters("responses_unread", help, "reason", &self.shared.unread.counts())
    }

    fn write_tls(&self, families: &mut Families<'_>) -> fmt::Result {
        let Some(tls) = &self.tls else { return Ok(()) };
        let reloads = [("ok", tls.reloaded() as f64), ("failed", tls.failed() as f64)];
        let help = "Changes of the certificate files, by whether they were taken.";
        families.counters("tls_reloads", help, "result", &reloads)?;
        let expiry = tls.expiry();
        let mut dates = vec![("certificate", expiry.certificate as f64)];
        dates.extend(expiry.client_ca.map(|date| ("client_ca", date as f64)));
        let help = "When the first certificate of a file expires, in seconds since 1970.";
        families.gauges("tls_certificate_expiry_timestamp_seconds", help, "file", &dates)
    }

    fn write_rest(&self, families: &mut Families<'_>) -> fmt::Result {
        let now = self.lifecycle.now();
        let states = State::ALL.map(|state| (state.name(), f64::from(u8::from(state == now))));
        families.gauges("state", "1 for the current state of the server.", "state", &states)?;
        let lost = self.log.as_ref().map_or(0, LogWriter::lost) as f64;
        families.counter("log_lines_lost", "Lines of the log that were lost.", lost)
    }
}
