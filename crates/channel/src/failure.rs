//! Why a client command fails.

use std::{io, process::ExitCode};

use tonic::Status;
use wire::{
    command::{CommandError, exit_code},
    escape::Escaped,
};

use crate::{
    Address,
    output::{status_json, status_text},
    wrong_arguments::WrongArguments,
};

/// The exit code if the runtime or the signal handlers could not be started (`EX_OSERR` of
/// `sysexits.h`).
const OS: u8 = 71;

/// Why a client command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no connection.
    #[error("cannot connect to {address}: {}", Escaped(.cause))]
    Connect {
        /// The address of the server.
        address: Address,
        /// Why the connection failed.
        cause: String,
    },
    /// A call ended with another status than OK.
    // The status is not a source, because the message already has all of it.
    #[error("{}", status_text(.0))]
    Call(Status),
    /// The server responded that it is not healthy.
    #[error("the status of \"{name}\" is {status}")]
    Unhealthy {
        /// The name of the service.
        name: String,
        /// Its status, which is not SERVING.
        status: &'static str,
    },
    /// Standard input could not be read, or standard output not written.
    #[error("input or output failed")]
    Io(#[from] io::Error),
    /// The runtime or the signal handlers could not be started.
    #[error(transparent)]
    System(io::Error),
    /// The arguments are wrong.
    #[error(transparent)]
    Arguments(#[from] WrongArguments),
}

impl Failure {
    /// Returns the exit code of a command that fails with this.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Connect { .. } => exit_code::CONNECTION,
            Self::Call(_) => exit_code::RPC,
            Self::Unhealthy { .. } => exit_code::UNHEALTHY,
            Self::Io(_) => exit_code::IO,
            Self::System(_) => OS,
            Self::Arguments(_) => exit_code::ARGUMENTS,
        }
    }

    /// Returns the outcome of a command that fails with this.
    ///
    /// A broken pipe is a success: the reader of the output has read what it needs.
    ///
    /// # Errors
    ///
    /// Returns the failure with its exit code if it is not a broken pipe.
    pub fn into_outcome(self) -> Result<ExitCode, CommandError> {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
            failure => Err(failure.into()),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Call(status)
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        let status = match &failure {
            Failure::Call(status) => Some(status_json(status)),
            _ => None,
        };
        Self { status, ..Self::new(failure.exit_code(), failure) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_exit_code() {
        let address = "localhost:1".parse().expect("an address");
        let error = || io::Error::other("a problem");
        for (failure, code) in [
            (Failure::Connect { address, cause: "refused".to_owned() }, 2),
            (Failure::Call(Status::internal("a bug")), 3),
            (Failure::Unhealthy { name: String::new(), status: "NOT_SERVING" }, 4),
            (Failure::Io(error()), 74),
            (Failure::System(error()), 71),
            (Failure::Arguments(WrongArguments::ClientCertificate), 1),
        ] {
            assert_eq!(failure.exit_code(), code, "{failure}");
            let error = failure.into_outcome().expect_err("a failure");
            assert_eq!(error.exit_code, code);
        }
    }

    #[test]
    fn a_broken_pipe_is_a_success() {
        let failure = Failure::Io(io::ErrorKind::BrokenPipe.into());
        assert_eq!(failure.into_outcome().expect("a success"), ExitCode::SUCCESS);
    }
}
