//! What the server knows of itself at each scrape.

use std::{fmt, sync::Weak};

use super::{State, connection::Connections, lifecycle::Lifecycle, reload::TlsStatus};
use crate::{
    middleware::AdmissionLayer,
    telemetry::{Families, LogWriter, Metrics},
};

/// Those who count anyway.
#[derive(Debug, Clone)]
pub(super) struct Observed {
    pub(super) admission: AdmissionLayer,
    /// Weak, for connections have the metrics, which have this.
    pub(super) connections: Weak<Connections>,
    pub(super) lifecycle: Lifecycle,
    pub(super) tls: Option<TlsStatus>,
    pub(super) log: Option<LogWriter>,
}

impl Observed {
    /// Has the metrics ask them.
    pub(super) fn add_to(self, metrics: &Metrics) {
        metrics.add(move |families| {
            self.write_admission(families)?;
            self.write_connections(families)?;
            self.write_tls(families)?;
            self.write_rest(families)
        });
    }

    fn write_admission(&self, families: &mut Families<'_>) -> fmt::Result {
        let load = self.admission.load();
        for (name, help, value) in [
            ("workers_busy", "Workers that are at work.", load.busy),
            ("workers_limit", "Workers that there are.", load.max_workers),
            ("queue_length", "Calls that wait for a worker.", load.waiting),
            ("queue_limit", "Calls that may wait.", load.queue_length),
        ] {
            families.gauge(name, help, value as f64)?;
        }
        let refused = [
            ("queue_full", load.refused.queue_full as f64),
            ("queue_timeout", load.refused.queue_timeout as f64),
            ("too_late", load.refused.too_late as f64),
        ];
        families.counters("refused", "Calls that were turned away, by reason.", "reason", &refused)
    }

    fn write_connections(&self, families: &mut Families<'_>) -> fmt::Result {
        let Some(connections) = self.connections.upgrade() else { return Ok(()) };
        let open = connections.open_now() as f64;
        families.gauge("connections_open", "Connections that are open.", open)?;
        let limit = connections.limit() as f64;
        families.gauge("connections_limit", "Connections that may be open.", limit)?;
        let endings = connections.endings();
        let ended = [
            ("closed", endings.closed as f64),
            ("failed", endings.failed as f64),
            ("cut", endings.cut as f64),
        ];
        families.counters("connections_ended", "Connections by how they ended.", "how", &ended)?;
        let refused =
            [("limit", endings.refused as f64), ("not_accepted", endings.not_accepted as f64)];
        let help = "Connections that were not taken, by reason.";
        families.counters("connections_refused", help, "reason", &refused)
    }

    fn write_tls(&self, families: &mut Families<'_>) -> fmt::Result {
        let Some(tls) = &self.tls else { return Ok(()) };
        let reloads = [("ok", tls.reloaded() as f64), ("failed", tls.failed() as f64)];
        let help = "Changes of the certificates' files, by whether they were taken.";
        families.counters("tls_reloads", help, "result", &reloads)?;
        let help = "When the certificate in force expires, in seconds since 1970.";
        families.gauge("tls_certificate_expiry_timestamp_seconds", help, tls.not_after() as f64)
    }

    fn write_rest(&self, families: &mut Families<'_>) -> fmt::Result {
        let now = self.lifecycle.now();
        let states = State::ALL.map(|state| (state.name(), f64::from(u8::from(state == now))));
        families.gauges("state", "1 for the state that the server is in.", "state", &states)?;
        let lost = self.log.as_ref().map_or(0, LogWriter::lost) as f64;
        families.counter("log_lines_lost", "Lines of the log that were lost.", lost)
    }
}
