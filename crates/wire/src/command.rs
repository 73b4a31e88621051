//! A command of the binary.
//!
//! A client crate offers a command as a value, and the server binary adds it to its own
//! commands and runs it. Neither crate depends on the other.

use std::{fmt, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{ArgMatches, Args, FromArgMatches};
use serde_json::Value;

use crate::{socket::Socket, trace::TraceSettings};

/// Exit codes of client commands, the same as grpc-health-probe's.
pub mod exit_code {
    /// The arguments are wrong.
    pub const ARGUMENTS: u8 = 1;
    /// There is no connection.
    pub const CONNECTION: u8 = 2;
    /// A call failed.
    pub const RPC: u8 = 3;
    /// The server responded that it is not healthy.
    pub const UNHEALTHY: u8 = 4;
    /// Input or output failed (`EX_IOERR` of `sysexits.h`).
    pub const IO: u8 = 74;
    /// SIGINT ended the command, as shells report it.
    pub const SIGINT: u8 = 130;
    /// SIGTERM ended the command, as shells report it.
    pub const SIGTERM: u8 = 143;
}

/// The program that runs a command.
#[derive(Clone, Copy)]
pub struct Program<'a> {
    /// The name of the program, such as `sample-service`.
    pub name: &'static str,
    /// The version of the program.
    pub version: &'static str,
    /// Reads how to reach the server that the environment and these flags configure. The error
    /// lists the configuration errors of the settings that are read.
    pub local_server: &'a dyn Fn(&ServerFlags) -> Result<LocalServer, String>,
    /// Reads where spans are sent; `None` if tracing is off. The error lists the configuration
    /// errors of the settings that are read.
    pub trace_settings: &'a dyn Fn() -> Result<Option<TraceSettings>, String>,
}

/// Flags of `serve` that say how the server is reached.
#[derive(Debug, Clone, Default)]
pub struct ServerFlags {
    /// The values of `--config`.
    pub config: Vec<PathBuf>,
    /// The value of `--address`.
    pub address: Option<String>,
}

/// The server on this machine, as its settings configure it, such as the server in the same
/// container.
#[derive(Debug, Clone)]
pub struct LocalServer {
    /// The address of the service.
    pub address: Socket,
    /// The address that serves health alone, in plaintext.
    pub health_address: Option<SocketAddr>,
    /// Whether `address` serves TLS.
    pub tls: bool,
    /// Whether `address` asks for a client certificate.
    pub client_certificate: bool,
}

/// Why a command failed, and the exit code for it.
#[derive(Debug)]
pub struct CommandError {
    /// The exit code of the process.
    pub exit_code: u8,
    /// The error, whose chain is printed.
    pub error: anyhow::Error,
    /// The status that a call ended with as a JSON object, if that is the error.
    pub status: Option<Value>,
}

impl CommandError {
    /// Returns an error with this exit code.
    pub fn new(exit_code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { exit_code, error: error.into(), status: None }
    }
}

type Run = dyn Fn(&ArgMatches, Program<'_>) -> Result<ExitCode, CommandError> + Send + Sync;

/// A subcommand: its arguments, and the function that runs it.
pub struct Command {
    /// The name and the arguments.
    pub clap: clap::Command,
    run: Box<Run>,
}

impl Command {
    /// Returns the command `name` with the arguments `A`, described by `about`.
    pub fn new<A: Args + FromArgMatches>(
        name: &'static str,
        about: &'static str,
        run: impl Fn(A, Program<'_>) -> Result<ExitCode, CommandError> + Send + Sync + 'static,
    ) -> Self {
        let clap = A::augment_args(clap::Command::new(name)).about(about);
        let run = move |matches: &ArgMatches, program: Program<'_>| {
            let arguments = A::from_arg_matches(matches)
                .map_err(|error| CommandError::new(exit_code::ARGUMENTS, error))?;
            run(arguments, program)
        };
        Self { clap, run: Box::new(run) }
    }

    /// Runs the command with its parsed arguments.
    ///
    /// # Errors
    ///
    /// Returns the error of the command.
    pub fn run(
        &self,
        matches: &ArgMatches,
        program: Program<'_>,
    ) -> Result<ExitCode, CommandError> {
        (self.run)(matches, program)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("name", &self.clap.get_name()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Program<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("name", &self.name).finish_non_exhaustive()
    }
}
