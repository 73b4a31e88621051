//! Panics: each is one line of the log, and counted.

use std::{
    backtrace::Backtrace,
    panic::{self, PanicHookInfo},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Of the whole process, as the hook is.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Logs and counts every panic from now on, caught or not.
pub(super) fn observe() {
    panic::set_hook(Box::new(|panic| {
        COUNT.fetch_add(1, Relaxed);
        log(panic);
    }));
}

/// Returns how many there were.
pub(super) fn count() -> u64 {
    COUNT.load(Relaxed)
}

/// Logs a panic as one line with its backtrace.
fn log(panic: &PanicHookInfo<'_>) {
    tracing::error!(
        cause = panic.payload_as_str().unwrap_or("(no message)"),
        location = panic.location().map(tracing::field::display),
        backtrace = %Backtrace::force_capture(),
        "panic"
    );
}
