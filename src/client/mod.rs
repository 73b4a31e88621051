//! The other side: a call, a health probe.

pub mod call;
mod channel;
pub mod health;

use std::{error::Error, io, iter};

use tonic::{Code, Status};

use crate::telemetry::code_name;

pub use channel::{Address, Target};

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
    #[error("input or output failed: {0}")]
    Io(#[from] io::Error),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Call(as_specified(status))
    }
}

/// tonic's client says CANCELLED or UNKNOWN where its own deadline or transport
/// ended the call; gRPC's names for that are DEADLINE_EXCEEDED and UNAVAILABLE.
fn as_specified(status: Status) -> Status {
    let Some(source) = status.source() else { return status };
    if causes(source).any(|error| error.is::<tonic::TimeoutExpired>()) {
        Status::new(Code::DeadlineExceeded, "no answer within the deadline")
    } else if causes(source).any(|error| error.is::<tonic::transport::Error>()) {
        Status::new(Code::Unavailable, innermost(source))
    } else {
        status
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// The outer errors only say that something failed; the innermost says what.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().unwrap_or(error).to_string()
}
