//! A load generator: many calls of one unary method, and how long they took.
//!
//! In reading order: [`command()`] is the command line, and `method` what it calls; [`Plan`] says
//! which calls to make; `worker` makes them, with one thread per processor; `schedule` says when,
//! `call` how; `tally` counts the outcomes, and [`Report`] shows them, `addresses` those of each address.
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
