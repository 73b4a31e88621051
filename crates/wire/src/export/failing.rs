//! Whether an export fails, so that the log says it once.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether the last export to a collector failed.
#[derive(Debug, Default)]
pub struct Failing(AtomicBool);

impl Failing {
    /// Records an export that failed. Returns whether it is the first after one that did not.
    pub fn begins(&self) -> bool {
        !self.0.swap(true, Relaxed)
    }

    /// Records an export that succeeded. Returns whether the one before it failed.
    pub fn ends(&self) -> bool {
        self.0.swap(false, Relaxed)
    }
}
