//! Exports that outlive every response of their collector.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

/// The status in a collector's response is malformed.
#[derive(Debug, thiserror::Error)]
#[error("the status in the collector's response cannot be read")]
pub struct Malformed;

/// Runs an export, and returns an error if it panics, as tonic does at a status whose details are
/// not base64.
pub(crate) async fn catch_malformed<T>(export: impl Future<Output = T>) -> Result<T, Malformed> {
    // Unwind safe, because an exporter keeps nothing of an export.
    AssertUnwindSafe(export).catch_unwind().await.map_err(|_panic| Malformed)
}
