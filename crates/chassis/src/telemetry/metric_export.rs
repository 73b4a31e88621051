//! The periodic export of the metrics by OTLP.

use std::{sync::Arc, time::Duration};

use http::Uri;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use wire::{
    export::Failing,
    metrics::{MetricExportError, MetricExporter, interval},
};

use super::metrics::Metrics;
use crate::package::Package;

/// The time between two attempts of the last export.
const PAUSE: Duration = Duration::from_millis(100);

/// Sends the metrics from time to time, and at the end.
#[derive(Debug)]
pub(crate) struct MetricExport {
    sender: Arc<Sender>,
    periodic: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Sender {
    metrics: Metrics,
    exporter: MetricExporter,
    failing: Failing,
}

impl MetricExport {
    /// Starts the export in the runtime that this is called in. The first is after one interval.
    pub(crate) fn start(metrics: Metrics, endpoint: Uri, package: Package) -> Self {
        let exporter = MetricExporter::new(endpoint, package.name, package.version);
        let sender = Arc::new(Sender { metrics, exporter, failing: Failing::default() });
        let interval = interval();
        let mut tick = interval_at(Instant::now() + interval, interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let periodic = Arc::clone(&sender);
        let periodic = tokio::spawn(async move {
            loop {
                tick.tick().await;
                let _error_is_logged = periodic.send().await;
            }
        });
        Self { sender, periodic: AbortOnDropHandle::new(periodic) }
    }

    /// Sends the last metrics, for no longer than `bound`: again and again while the collector
    /// cannot be reached.
    pub(crate) async fn finish(self, bound: Duration) {
        // Otherwise older values could arrive later.
        self.periodic.abort();
        let _cancelled = self.periodic.await;
        let last = async {
            while let Err(error) = self.sender.send().await {
                if !error.is_transient() {
                    return;
                }
                sleep(PAUSE).await;
            }
        };
        if timeout(bound, last).await.is_err() {
            tracing::warn!("the last metrics were lost: they could not be sent in time");
        }
    }
}

impl Sender {
    async fn send(&self) -> Result<(), MetricExportError> {
        let sent = self.exporter.export(self.metrics.otlp()).await;
        match &sent {
            Ok(()) => {
                if self.failing.ends() {
                    tracing::info!("metrics are sent again");
                }
            }
            Err(error) => {
                if self.failing.begins() {
                    tracing::warn!(%error, "metrics could not be sent");
                }
            }
        }
        sent
    }
}
