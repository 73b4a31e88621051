//! How many calls have been at work or in the queue, on average.

use std::sync::{Mutex, MutexGuard};

use crate::moving_average::Level;

/// The moving average of the calls that hold a worker or wait for one.
#[derive(Debug)]
pub(super) struct Occupancy(Mutex<Level>);

impl Occupancy {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Level::new()))
    }

    /// Adds a call, until the value is dropped.
    pub(super) fn enter(&self) -> Occupant<'_> {
        self.level().add(1.0);
        Occupant(self)
    }

    pub(super) fn average(&self) -> f64 {
        self.level().average()
    }

    fn level(&self) -> MutexGuard<'_, Level> {
        self.0.lock().expect("nothing panics while it is locked")
    }
}

/// A call that holds a worker or waits for one.
#[derive(Debug)]
pub(super) struct Occupant<'a>(&'a Occupancy);

impl Drop for Occupant<'_> {
    fn drop(&mut self) {
        self.0.level().add(-1.0);
    }
}
