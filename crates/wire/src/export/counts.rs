//! Which spans or log records were lost on the way to the collector.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use super::malformed::catch_malformed;

/// Items, such as spans, that were not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    item: &'static str,
    count: u64,
    cause: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { item, count, cause } = self;
        write!(f, "{count} {item}{} could not be sent: {cause}", if *count == 1 { "" } else { "s" })
    }
}

/// Counts the items that are to be sent, and those that were sent.
#[derive(Debug)]
pub(crate) struct Counts {
    /// What is counted, such as "span".
    item: &'static str,
    given: AtomicU64,
    sent: AtomicU64,
    /// The error of the last batch that was not sent.
    error: Mutex<Option<String>>,
}

impl Counts {
    /// Returns counts of zero. `item` names one of the items, such as "span".
    pub(crate) fn new(item: &'static str) -> Self {
        Self { item, given: AtomicU64::new(0), sent: AtomicU64::new(0), error: Mutex::default() }
    }

    /// Counts an item that is to be sent.
    pub(crate) fn add(&self) {
        self.given.fetch_add(1, Relaxed);
    }

    /// Sends a batch of `items` by `export`, and counts them as sent if it succeeds.
    ///
    /// The SDK only logs that a batch was lost. A panic would end the thread that exports, and with
    /// it the export for good, so it becomes an error.
    pub(crate) async fn send(
        &self,
        items: usize,
        export: impl Future<Output = OTelSdkResult>,
    ) -> OTelSdkResult {
        let exported = catch_malformed(export).await;
        let exported = exported
            .unwrap_or_else(|malformed| Err(OTelSdkError::InternalFailure(malformed.to_string())));
        match &exported {
            Ok(()) => {
                self.sent.fetch_add(items as u64, Relaxed);
            }
            Err(error) => {
                let mut last = self.error.lock().unwrap_or_else(PoisonError::into_inner);
                *last = Some(error.to_string());
            }
        }
        exported
    }

    /// Returns the items that are lost if no more are sent. `error` is the reason if no batch has
    /// failed: they are still in the queue.
    pub(crate) fn lost(&self, error: Option<String>) -> Option<Lost> {
        let count = self.given.load(Relaxed).saturating_sub(self.sent.load(Relaxed));
        let failed = self.error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let cause =
            failed.or(error).unwrap_or_else(|| "there were too many in the queue".to_owned());
        (count > 0).then_some(Lost { item: self.item, count, cause })
    }
}
