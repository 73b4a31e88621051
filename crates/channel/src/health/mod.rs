//! The `health` command: a health check of a server, for people, containers and Kubernetes.

mod check;
mod watch;

use std::{process::ExitCode, time::Duration};

use clap::Args;
use wire::{
    command::{Command, CommandError, Program},
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
    /// The address of the server [default: the server that the environment configures].
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<Address>,
    /// The timeout of the connection, and then of the check.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_timeout)]
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
    let HealthArgs { name, address, timeout, watch, json, connection } = arguments;
    let target = match address {
        Some(address) => connection.target(address, timeout, program)?,
        None => connection.local_target(timeout, program)?,
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
