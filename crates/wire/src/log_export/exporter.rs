//! The exporter of log records.

use std::{sync::Arc, time::Duration};

use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    logs::{LogBatch, LogExporter},
};
use tracing::{callsite::rebuild_interest_cache, dispatcher::Dispatch, instrument::WithSubscriber};

use crate::export::{Counts, Failing};

/// An exporter whose sent records are counted, and which outlives every response of its collector.
///
/// A collector that fails, or that has no service for log records, fails for each batch, which can
/// be every second. So the log has one line when that begins, and one when it is over.
#[derive(Debug)]
pub(super) struct Exporter<E> {
    exporter: E,
    counts: Arc<Counts>,
    failing: Failing,
}

impl<E> Exporter<E> {
    pub(super) fn new(exporter: E, counts: Arc<Counts>) -> Self {
        Self { exporter, counts, failing: Failing::default() }
    }
}

impl<E: LogExporter> LogExporter for Exporter<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let records = batch.iter().count();
        // Without the lines that the exporter itself logs of each failed batch.
        let export = self.exporter.export(batch).with_subscriber(Dispatch::none());
        let exported = self.counts.send(records, export).await;
        // A place in the code that logs for the first time in there, such as that of panics, would
        // be off for good: `tracing` keeps the answer of the dispatcher that it asks first.
        rebuild_interest_cache();
        match exported {
            Ok(()) => {
                if self.failing.ends() {
                    tracing::info!("log records are sent again");
                }
            }
            Err(error) => {
                if self.failing.begins() {
                    tracing::warn!(%error, "log records cannot be sent: they are lost until they can");
                }
            }
        }
        // The SDK would log each error.
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
