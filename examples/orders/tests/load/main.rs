//! Tests under load. Limits are wide, and relative to a measurement of the same run if that is
//! possible, because the machine may be busy.

#[path = "../it/support/mod.rs"]
mod support;

mod back_pressure;
mod first_message;
mod many_streams;
mod rolling;

use tokio::sync::{Mutex, MutexGuard};

static ALONE: Mutex<()> = Mutex::const_new(());

/// Waits until no other test of this binary runs, because each uses the whole machine.
async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}

/// Returns the value below which 99 % of the values are.
fn p99<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() * 99 / 100]
}

/// Returns the middle value.
fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}
