//! The arguments that client commands share, and the functions that run a command.
//!
//! The commands `health` and `load` use them, and a service's own `call` command can.

mod connection;
mod metadata;
mod run;
mod size;

pub use connection::{ConnectionArgs, TlsArgs};
pub use metadata::parse_metadata;
pub use run::{Outcome, make_calls, until_interrupted};
pub use size::parse_size;

pub use crate::wrong_arguments::WrongArguments;
