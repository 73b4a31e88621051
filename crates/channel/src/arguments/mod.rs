//! What client commands share: their arguments, and how they run.
//!
//! The commands `health` and `load` use it, and a service's own `call` command can.

mod connection;
mod metadata;
mod run;
mod size;

pub use connection::{ConnectionArgs, TlsArgs};
pub use metadata::parse_metadata;
pub use run::{Outcome, make_calls, until_interrupted};
pub use size::parse_size;

pub use crate::wrong_arguments::WrongArguments;
