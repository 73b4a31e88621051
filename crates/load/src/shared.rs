//! The state that all threads share.

use std::sync::atomic::AtomicU64;

use tokio_util::sync::CancellationToken;

/// The state that all threads share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// How many calls have begun, if their number is limited.
    pub(super) begun: AtomicU64,
    pub(super) ended: AtomicU64,
    pub(super) failed: AtomicU64,
    /// Stops all threads, and cancels the calls in flight.
    pub(super) stop: CancellationToken,
}
