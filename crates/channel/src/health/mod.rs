//! The `health` command: a health check of a server, for people, containers and Kubernetes.

mod check;
mod watch;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use wire::{
    command::{Command, CommandError, Program, ServerFlags},
    duration::parse_timeout,
};

use crate::{
    Address, Failure,
    arguments::{ConnectionArgs, Outcome, until_interrupted},
};

/// Returns the `health` command.
pub fn health_command() -> Command {
    Command::new("health", "Check the health of a server", |arguments: HealthArgs, program| {
        run(arguments, program)
    })
}

#[derive(Debug, Args)]
struct HealthArgs {
    /// The name of the service; empty for the whole server.
    #[arg(default_value = "")]
    name: String,
    /// The address of the server [default: that of the server on this machine, as the environment
    /// and --config configure it]. [::] and 0.0.0.0 are the server on this machine, as for serve.
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<Address>,
    /// A configuration file of the server on this machine; may be repeated, as for serve.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// The timeout of the connection, and then of the check. A watch has this timeout only until
    /// its first status.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_timeout)]
    #[arg(allow_hyphen_values = true)]
    timeout: Duration,
    /// Print each change with its time, until interrupted.
    #[arg(long)]
    watch: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

fn run(arguments: HealthArgs, program: Program<'_>) -> Result<ExitCode, CommandError> {
    let watch = arguments.watch;
    match check(arguments, program) {
        Ok(Outcome::Completed(code)) => Ok(code),
        // A signal is the way to end a watch.
        Ok(Outcome::Interrupted(_)) if watch => Ok(ExitCode::SUCCESS),
        Ok(Outcome::Interrupted(code)) => Ok(code.into()),
        Err(failure) => failure.into_outcome(),
    }
}

fn check(arguments: HealthArgs, program: Program<'_>) -> Result<Outcome, Failure> {
    let HealthArgs { name, address, config, timeout, watch, json, connection } = arguments;
    let target = match address {
        Some(address) if config.is_empty() && !is_unspecified(&address) => {
            connection.target(address, timeout, program)?
        }
        address => {
            let flags = ServerFlags { config, address: address.map(|address| address.to_string()) };
            connection.local_target(&flags, timeout, program)?
        }
    };
    until_interrupted(async {
        if watch {
            watch::run(&target, &name, json).await?;
        } else {
            check::run(&target, &name, json).await?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Returns whether the address is `[::]` or `0.0.0.0`. A server that listens there has every
/// address of its machine.
fn is_unspecified(address: &Address) -> bool {
    address.to_string().parse::<SocketAddr>().is_ok_and(|address| address.ip().is_unspecified())
}
