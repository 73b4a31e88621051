//! The other side: a call, a health probe, a load generator, and the channel that
//! all of them use.
//!
//! In reading order: [`Target`] is what a command was given; [`Channel`] sends
//! calls; `retry` says which are tried again, `headers` what each attempt says of
//! itself; `balancer` keeps the connections, `connection` and `tls` make them,
//! `sender` sends on them as many calls at once as there are `places`, and `transport`
//! is what they read and write.

mod address;
mod backoff;
mod balancer;
mod body;
pub mod call;
mod channel;
mod connection;
mod headers;
pub mod health;
pub mod load;
mod places;
mod retry;
mod sender;
mod status;
mod tls;
mod transport;
mod unverified;
pub mod watch;

use std::io;

use tonic::Status;

use crate::telemetry::code_name;

pub use address::Address;
pub use body::AnswerBody;
pub use channel::{Channel, Target};
pub use retry::MAX_ATTEMPTS;
pub use tls::{Tls, TlsError, TlsFiles};

use status::innermost;

/// Why a client command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no connection.
    #[error("cannot connect to {address}: {cause}")]
    Connect {
        /// Where to.
        address: Address,
        /// Why not, as the system said it last.
        cause: String,
    },
    /// The call ended with another status than OK.
    #[error("{}: {}", code_name(.0.code()), .0.message())]
    // No source: the message has it all.
    Call(Status),
    /// The server answered that it is not healthy.
    #[error("the status of \"{name}\" is {status}")]
    Unhealthy {
        /// The name that was asked for.
        name: String,
        /// What was answered instead of SERVING.
        status: &'static str,
    },
    /// Standard input could not be read, or standard output not written.
    #[error("input or output failed")]
    Io(#[from] io::Error),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Call(status)
    }
}
