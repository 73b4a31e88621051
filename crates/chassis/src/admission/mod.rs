//! Which calls may run: the queue and the workers of unary calls, and the slots of streams.

mod occupancy;
mod queue;
mod service_time;
mod streams;

pub(crate) use queue::{Queue, WorkerPermit};
pub(crate) use streams::{StreamPermit, Streams};
