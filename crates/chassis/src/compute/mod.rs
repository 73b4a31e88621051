//! Long computations, away from the threads that do I/O.
//!
//! A thread that serves calls also reads and writes for all other calls, so a computation of
//! milliseconds holds all of them up. [`run`] gives it to a small pool of threads with a lower
//! priority instead. If there is one CPU for all of them, the threads that do I/O get it first. A
//! computation that takes less time than giving it away runs in place, as long as [`in_place`]
//! allows it.

mod allowance;
mod threads;

pub(crate) use allowance::{MAX_IN_PLACE, in_place, spent};
pub(crate) use threads::{Computation, Wanted, run};
