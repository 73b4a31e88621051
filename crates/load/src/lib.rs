//! A load generator: many calls of one unary method, and how long they took.
//!
//! In reading order:
//!
//! - [`command()`], `method`: the command line, and the method to call.
//! - [`Plan`]: which calls to make.
//! - `worker`, `schedule`, `call`: makes the calls, with one thread per processor.
//! - `tally`, [`Report`], `addresses`: counts the outcomes, and shows them.
//!
//! Calls are not retried, because a load generator shows what the server does. The exception
//! is the transparent retry of a call that no handler has seen.

#![warn(missing_docs)]

mod addresses;
mod busy;
mod call;
mod chart;
mod command;
mod json;
mod method;
mod plan;
mod progress;
mod report;
mod run;
mod schedule;
mod shared;
mod tally;
mod worker;

pub use command::command;
pub use plan::{Amount, CheckMessage, Pace, Plan};
pub use report::Report;
pub use run::run;
