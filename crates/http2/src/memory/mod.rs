//! The memory that peers make a process hold: one budget, of which every connection has a share.
//!
//! A share counts what its connection holds. What can be refused is reserved before it is
//! allocated; the rest is counted after each turn of the connection, and a connection is ended if
//! the budget is exceeded.

mod budget;
mod kind;
mod share;
mod state;

pub use budget::Budget;
pub use kind::{MemoryKind, NoMemory};
pub(crate) use share::{Excess, HeldNow};
pub use share::{Reservation, Share};
