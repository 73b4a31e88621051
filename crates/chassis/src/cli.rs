//! The commands of the program, and the exit code of each outcome.

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use anyhow::Context;
use clap::{ArgMatches, Command as ClapCommand};
use tokio::runtime;
use wire::{
    command::{Command, CommandError, Program, ServerFlags, exit_code},
    output::stdout,
    runtime::{current_thread, panic_text},
    signal::shutdown_signals,
};

use crate::{
    config::{
        ConfigErrors, Effective, Flag, Layers, Schema, Settings, clap_flags, local_server,
        trace_settings,
    },
    config_command,
    documents::{completions_command, man_command, man_page, write_completions},
    exports::{flush, start_log_export, start_span_export},
    failed::{fail, suggest, sysexits, usage, wants_json},
    server::{CallThreads, StartError, memory_shortfall, raise_descriptor_limit},
    service::Service,
    telemetry::{AccessLog, BadOverride, Configured, MetricExport, Metrics, Telemetry, log},
};

const EXIT_CODES: &str = "\
Exit codes of serve and config: 0 success, 1 the graceful shutdown cut calls,
connections or background tasks, 64 wrong usage, 69 the service's own start failed,
70 internal error, 71 refused by the system (such as a port in use), 78 configuration errors.
Exit codes of client commands: 0 success, 1 wrong arguments, 2 no connection, 3 a call
failed, 4 not healthy, 70 internal error, 71 refused by the system, 74 input or output failed,
130 and 143 ended by SIGINT and SIGTERM.";

impl<S: Send + Sync + 'static, D: Send + Sync + 'static> Service<S, D> {
    /// Runs the command that the program's arguments name, and returns its exit code.
    pub fn run(self) -> ExitCode {
        self.run_from(env::args_os())
    }

    /// Runs the command that `arguments` name, and returns its exit code. The first argument is the
    /// program itself.
    pub fn run_from(self, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let run = catch_unwind(AssertUnwindSafe(|| run(self, &arguments)));
        run.unwrap_or_else(|panic| {
            let error = Panicked(panic_text(&*panic).to_owned());
            fail(&CommandError::new(sysexits::SOFTWARE, error), wants_json(&arguments))
        })
    }
}

/// A panic outside of calls, at the start or at the end.
#[derive(Debug, thiserror::Error)]
#[error("the program panicked: {0}")]
struct Panicked(String);

/// Runs the command that `arguments` name. The first argument is the program itself.
fn run<S, D>(mut service: Service<S, D>, arguments: &[OsString]) -> ExitCode
where
    S: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    let (schema, commands) = (service.schema(), service.take_commands());
    let json = wants_json(arguments);
    let program = clap_command(&schema, &commands);
    let matches = match program.clone().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(mut error) => {
            let name = arguments.get(1).and_then(|name| name.to_str());
            let client = commands.iter().find(|command| Some(command.clap.get_name()) == name);
            // Client commands have exit codes of their own.
            let Some(client) = client else { return usage(&error, sysexits::USAGE, json) };
            suggest(&mut error, &client.clap);
            return usage(&error, exit_code::ARGUMENTS, json);
        }
    };
    let outcome = match matches.subcommand() {
        None => serve(service, &matches),
        Some(("serve", matches)) => serve(service, matches),
        Some(("config", matches)) => {
            config_command::run(&service, matches).map(|()| ExitCode::SUCCESS)
        }
        Some(("completions", matches)) => {
            let written = write_completions(program, matches, &mut stdout());
            written.map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
        Some(("man", matches)) => match man_page(program, matches) {
            Ok(page) => {
                let written = stdout().write_all(&page);
                written.map(|()| ExitCode::SUCCESS).map_err(Into::into)
            }
            Err(error) => return usage(&error, sysexits::USAGE, json),
        },
        Some((name, matches)) => {
            let command = commands.iter().find(|command| command.clap.get_name() == name);
            let command = command.expect("clap knows the same commands");
            let outcome = run_command(&schema, command, matches);
            return outcome.unwrap_or_else(|failure| fail(&failure, json));
        }
    };
    outcome.unwrap_or_else(|error| fail(&CommandError::new(exit_code_of(&error), error), json))
}

fn clap_command(schema: &Schema, commands: &[Command]) -> ClapCommand {
    let flags = || clap_flags(schema);
    let config = ClapCommand::new("config")
        .about("Show or check the configuration of the server")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            ClapCommand::new("show")
                .about("Print the effective settings, each with its source")
                .args(flags())
                .arg(
                    clap::Arg::new("json")
                        .long("json")
                        .action(clap::ArgAction::SetTrue)
                        .help("Print JSON"),
                ),
        )
        .subcommand(
            ClapCommand::new("check")
                .about("Check the settings without starting anything")
                .args(flags()),
        )
        .subcommand(
            ClapCommand::new("default")
                .about("Print the default settings: a commented file to start from"),
        );
    let serve =
        ClapCommand::new("serve").about("Run the server (the default command)").args(flags());
    ClapCommand::new(schema.package.name)
        .version(schema.package.version)
        .about(schema.package.description)
        .after_help(EXIT_CODES)
        .args_conflicts_with_subcommands(true)
        .args(flags())
        .subcommand(serve)
        .subcommands(commands.iter().map(|command| command.clap.clone()))
        .subcommand(config)
        .subcommand(completions_command())
        .subcommand(man_command())
}

fn exit_code_of(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<StartError>() {
        Some(error) => error.exit_code(),
        None if error.is::<ConfigErrors>() || error.is::<BadOverride>() => sysexits::CONFIG,
        None if error.is::<io::Error>() => sysexits::OS,
        None => sysexits::SOFTWARE,
    }
}

impl StartError {
    /// Returns the exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => sysexits::CONFIG,
            Self::Bind(_) | Self::Thread { .. } => sysexits::OS,
            Self::Service(_) => sysexits::UNAVAILABLE,
            Self::Tracing(_) | Self::LogExport(_) => sysexits::SOFTWARE,
        }
    }
}

fn run_command(
    schema: &Schema,
    command: &Command,
    matches: &ArgMatches,
) -> Result<ExitCode, CommandError> {
    let environment = || env::vars_os().collect();
    let server = |flags: &ServerFlags| {
        let address = flags.address.iter();
        let address = address.map(|text| Flag {
            name: "--address",
            key: "server.address",
            text: text.clone(),
        });
        let files = flags.config.clone();
        let layers = Layers { files, environment: environment(), flags: address.collect() };
        local_server(schema, &layers).map_err(|errors| errors.to_string())
    };
    let tracing = || {
        let layers = Layers { environment: environment(), ..Layers::default() };
        trace_settings(schema, &layers).map_err(|errors| errors.to_string())
    };
    let program = Program {
        name: schema.package.name,
        version: schema.package.version,
        local_server: &server,
        trace_settings: &tracing,
    };
    command.run(matches, program)
}

fn serve<S, D>(service: Service<S, D>, matches: &ArgMatches) -> anyhow::Result<ExitCode>
where
    S: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    let package = service.schema().package;
    let loaded = service.load(&Layers::from_matches(&service.schema(), matches))?;
    let settings = loaded.chassis.clone();
    let own = own_settings(&loaded.effective);
    let configured = Configured::new(&settings.log, &package.crate_name())?;
    let no_thread = |purpose| move |error| StartError::Thread { purpose, error };
    let calls = CallThreads::start().map_err(no_thread("serve calls"))?;
    // The life cycle has a thread of its own: handlers that do not yield can occupy every thread
    // that serves calls, and must not keep the process alive. This thread also serves metrics and
    // the health address, and sends spans.
    let life = current_thread().map_err(no_thread("serve metrics and end the process"))?;
    let (log, filter, layer) =
        log::start(configured, settings.log.format).map_err(no_thread("write the log"))?;
    let log_export = {
        // The connection to the collector is driven by its thread.
        let _runtime = life.enter();
        start_log_export(&settings.log, package)?
    };
    if let Some(export) = &log_export {
        layer.pass_to(export.clone());
    }
    raise_descriptor_limit();
    let run = async {
        // Before the service's own start, which can take long: SIGTERM does not end process 1 of a
        // container if the program does not handle it.
        let shutdown = shutdown_signals().context("signals cannot be handled")?;
        let (mut started, mut metric_export) = (Telemetry::default(), None);
        let server = service.bind_with(loaded, calls.handle(), |methods| {
            let access_log =
                AccessLog::new(&settings.log, log.clone(), log_export.clone(), log::colour());
            let (address, endpoint) = (settings.metrics.address, &settings.metrics.endpoint);
            let metrics = (address.is_some() || endpoint.is_some())
                .then(|| Metrics::new(methods, package.version, &settings.metrics));
            metric_export = metrics.clone().zip(endpoint.as_ref()).map(|(metrics, endpoint)| {
                MetricExport::start(metrics, endpoint.get().clone(), package)
            });
            let tracing = start_span_export(&settings.tracing, package)?;
            started = Telemetry::new(Some(access_log), metrics, tracing, Some(filter));
            Ok(started.clone())
        });
        let outcome = async {
            let server = server?;
            log_limits(&settings, calls.handle());
            tracing::info!(
                version = package.version,
                address = %server.address(),
                health_address = server.health_address().map(tracing::field::display),
                metrics_address = server.metrics_address().map(tracing::field::display),
                reflection = settings.reflection.enabled,
                service = own,
                "listening"
            );
            let report = server.run(shutdown).await?;
            report.log();
            let code = if report.is_clean() { ExitCode::SUCCESS } else { sysexits::CUT.into() };
            Ok(code)
        }
        .await;
        drop(calls);
        // A server that did not start has no metrics that would say something.
        let metric_export = metric_export.filter(|_| outcome.is_ok());
        flush(&settings, started, metric_export, log_export, &log).await;
        outcome
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| life.block_on(run)));
    life.shutdown_background();
    outcome.unwrap_or_else(|panic| {
        // The log has the panic with its backtrace.
        log.close(settings.shutdown.flush);
        Err(Panicked(panic_text(&*panic).to_owned()).into())
    })
}

/// Returns the service's own settings as text such as `work="0s"`; secrets are hidden.
fn own_settings(effective: &[Effective]) -> String {
    let own = effective.iter().filter_map(|setting| {
        let section = setting.section.strip_prefix("service")?;
        let section = section.strip_prefix('.').map(|name| format!("{name}.")).unwrap_or_default();
        Some(format!("{section}{}={}", setting.name, setting.value))
    });
    own.collect::<Vec<_>>().join(" ")
}

fn log_limits(settings: &Settings, calls: &runtime::Handle) {
    tracing::info!(
        threads = calls.metrics().num_workers(),
        max_workers = settings.server.max_workers.get(),
        queue = settings.queue.length,
        queue_timeout = ?settings.queue.timeout,
        streams_in_process = settings.streaming.limit.get(),
        deadline = ?settings.deadline.default.get(),
        max_deadline = ?settings.deadline.max.get(),
        memory_bytes = settings.limits.memory.get(),
        memory_from = settings.limits.memory.derived_from().unwrap_or("limits.memory"),
        message_bytes = settings.limits.message.get(),
        header_bytes = settings.limits.header_list.get(),
        header_fields = settings.limits.header_fields.get(),
        streams = settings.limits.streams,
        connections = settings.limits.connections.get(),
        connections_per_peer =
            settings.limits.connections_per_peer.of(settings.limits.connections.get()).unwrap_or(0),
        handshake = ?settings.limits.handshake.get(),
        stalled = ?settings.limits.stalled,
        connection_age = ?settings.limits.connection_age,
        lame_duck = ?settings.shutdown.lame_duck,
        drain = ?settings.shutdown.drain,
        "limits"
    );
    if let Some(warning) = memory_shortfall(settings) {
        tracing::warn!("{warning}");
    }
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;

    #[derive(Args)]
    struct NoArguments {}

    #[test]
    fn a_panic_outside_of_calls_is_exit_code_70() {
        let panics = Command::new("panic", "Panic", |_: NoArguments, _| panic!("at the start"));
        let service = crate::service!().command(panics);
        let code = service.run_from(["test".into(), "panic".into()]);
        assert_eq!(code, ExitCode::from(sysexits::SOFTWARE));
    }
}
