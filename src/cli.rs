//! The commands: what can be typed, and the exit code of each outcome.

mod client;
mod load;

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use tokio::{runtime, task::spawn_blocking, time::Instant};

use client::{CallArgs, HealthArgs, WrongArguments};
use load::LoadArgs;

use crate::{
    client::Failure,
    config::{self, Faults, Flag, Layers, Loaded, Settings},
    server::{CallThreads, Server, StartError, check_tls, shutdown_signals},
    telemetry::{AccessLog, LogWriter, Metrics, Telemetry, Tracing, log},
};

/// Exit codes of `serve` and `config`, most of them from `sysexits.h`.
mod sysexits {
    /// The drain was cut short.
    pub(super) const FORCED: u8 = 1;
    pub(super) const USAGE: u8 = 64;
    pub(super) const SOFTWARE: u8 = 70;
    pub(super) const OS: u8 = 71;
    pub(super) const IO: u8 = 74;
    pub(super) const CONFIG: u8 = 78;
}

/// Exit codes of the client's commands, as grpc-health-probe has them.
mod probe {
    pub(super) const ARGUMENTS: u8 = 1;
    pub(super) const CONNECTION: u8 = 2;
    pub(super) const RPC: u8 = 3;
    pub(super) const UNHEALTHY: u8 = 4;
}

const EXIT_CODES: &str = "\
Exit codes of serve and config: 0 success, 1 the end cut calls or connections short,
64 wrong usage, 70 internal error, 71 refused by the system (such as a port in use),
78 faults in the configuration.
Exit codes of call, health and load: 0 success, 1 wrong arguments, 2 no connection,
3 a call failed, 4 not healthy, 74 input or output failed, 130 and 143 ended by
SIGINT and SIGTERM.";

/// A gRPC microservice: server, client and health probe in one binary.
#[derive(Debug, Parser)]
#[command(name = "sample-service", version, after_help = EXIT_CODES)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: SettingsArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (the default command).
    Serve(SettingsArgs),
    /// Call the service and print its replies.
    Call(CallArgs),
    /// Ask a server for its health.
    Health(HealthArgs),
    /// Measure a server: make many calls, show how long they took.
    Load(Box<LoadArgs>),
    /// Show or check the configuration of the server.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Settings that people change by hand; each wins over file and environment.
#[derive(Debug, Args)]
struct SettingsArgs {
    /// A configuration file in TOML; may be repeated, later ones win.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Where to serve, such as [::]:9999 [server.address].
    #[arg(long, value_name = "IP:PORT")]
    address: Option<String>,
    /// How many calls are worked on at once [server.max_workers].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_workers: Option<String>,
    /// The time that each call pretends to work, such as 100ms [service.work].
    #[arg(long, value_name = "DURATION")]
    work: Option<String>,
    /// text or json [log.format].
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// off, error, warn, info, debug or trace [log.level].
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl SettingsArgs {
    // The texts are checked with all other layers, so that every fault is
    // listed at once and in the same words.
    fn load(self) -> Result<Loaded, Faults> {
        let flags = [
            ("--address", "server.address", self.address),
            ("--max-workers", "server.max_workers", self.max_workers),
            ("--work", "service.work", self.work),
            ("--log-format", "log.format", self.log_format),
            ("--log-level", "log.level", self.log_level),
        ];
        let flags = flags
            .into_iter()
            .filter_map(|(name, key, text)| text.map(|text| Flag { name, key, text }))
            .collect();
        config::load(&Layers { files: self.config, environment: env::vars_os().collect(), flags })
    }
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the settings in force, each with its source.
    Show {
        #[command(flatten)]
        settings: SettingsArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check the settings without starting anything.
    Check(SettingsArgs),
    /// Print the default settings: a commented file to start from.
    Default,
}

/// Runs the command that `arguments` name, the first being the program itself.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let outcome = match Cli::try_parse_from(&arguments) {
        Err(error) => return usage(&error, &arguments),
        Ok(Cli { command: None, serve: settings }) => serve(settings),
        Ok(Cli { command: Some(command), .. }) => match command {
            Command::Serve(settings) => serve(settings),
            Command::Call(call) => call.run(),
            Command::Health(health) => health.run(),
            Command::Load(load) => load.run(),
            Command::Config(command) => run_config(command).map(|()| ExitCode::SUCCESS),
        },
    };
    match outcome {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// Help goes to standard output and is a success; the rest is a mistake.
fn usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    // Nothing is left to be told where the terminal is gone.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let is_client =
        ["call", "health", "load"].iter().any(|name| arguments.get(1).is_some_and(|a| a == name));
    ExitCode::from(if is_client { probe::ARGUMENTS } else { sysexits::USAGE })
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let io_error = || error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    if io_error().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        // Whoever read the output has seen enough of it.
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(io::stderr(), "error: {error:#}");
    ExitCode::from(match error.downcast_ref() {
        Some(Failure::Io(_)) => sysexits::IO,
        Some(Failure::Connect { .. }) => probe::CONNECTION,
        Some(Failure::Call(_)) => probe::RPC,
        Some(Failure::Unhealthy { .. }) => probe::UNHEALTHY,
        _ if error.is::<WrongArguments>() => probe::ARGUMENTS,
        _ if error.is::<Faults>() => sysexits::CONFIG,
        _ if error.is::<log::BadOverride>() => sysexits::CONFIG,
        _ if matches!(error.downcast_ref(), Some(StartError::Tls(_))) => sysexits::CONFIG,
        _ if error.is::<StartError>() || error.is::<io::Error>() => sysexits::OS,
        _ => sysexits::SOFTWARE,
    })
}

/// How long the notice of lost lines may take.
const NOTICE: Duration = Duration::from_millis(100);

fn serve(settings: SettingsArgs) -> anyhow::Result<ExitCode> {
    let settings = settings.load()?.settings;
    let log = log::start(log::filter(&settings.log)?, settings.log.format)?;
    let calls = CallThreads::start()?;
    // The life cycle has a thread of its own: handlers that do not yield can hold
    // every thread that serves calls, and must not keep the process alive. Metrics
    // and spans are served and sent from there too.
    let life = runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = life.block_on(async {
        let access_log = AccessLog::new(&settings.log, log.clone(), log::colour());
        let metrics = settings.metrics.address.map(|_| Metrics::default());
        let tracing = Tracing::start(&settings.tracing)?;
        let telemetry = Telemetry::new(Some(access_log), metrics, tracing);
        let outcome = serve_until_told(&settings, calls.handle(), &telemetry).await;
        drop(calls);
        flush(&settings, telemetry, &log).await;
        outcome
    });
    life.shutdown_background();
    outcome
}

/// Sends the last spans and writes the last lines, all within `shutdown.flush`.
async fn flush(settings: &Settings, telemetry: Telemetry, log: &LogWriter) {
    let end = Instant::now() + settings.shutdown.flush;
    let left = || end.saturating_duration_since(Instant::now());
    // A collector that does not answer must leave time for the line that says so.
    let for_spans = left().mul_f64(0.9);
    // The spans need this thread to get away, so it must not be blocked.
    let _ = spawn_blocking(move || telemetry.flush_spans(for_spans)).await;
    // Metrics are answered meanwhile: a last scrape is to see what was lost.
    let (log, for_lines) = (log.clone(), left());
    let lost = spawn_blocking(move || log.flush(for_lines)).await.unwrap_or_default();
    // By a writer too: this may be the very pipe that nobody reads. And whatever
    // becomes of it, the outcome is that of the server.
    if lost > 0
        && let Ok(notice) = LogWriter::start(io::stderr())
    {
        let _ = writeln!(&notice, "{lost} lines of the log were lost: they were not read in time");
        notice.flush(NOTICE);
    }
}

async fn serve_until_told(
    settings: &Settings,
    calls: &runtime::Handle,
    telemetry: &Telemetry,
) -> anyhow::Result<ExitCode> {
    let shutdown = shutdown_signals()?;
    let server = Server::bind(settings, calls, telemetry)?;
    tracing::info!(
        threads = calls.metrics().num_workers(),
        max_workers = settings.server.max_workers.get(),
        queue = settings.queue.length,
        queue_timeout = ?settings.queue.timeout,
        deadline = ?settings.deadline.default.get(),
        max_deadline = ?settings.deadline.max.get(),
        message_bytes = settings.limits.message.get(),
        header_bytes = settings.limits.header_list.get(),
        streams = settings.limits.streams,
        connections = settings.limits.connections.get(),
        handshake = ?settings.limits.handshake.get(),
        connection_age = ?settings.limits.connection_age,
        lame_duck = ?settings.shutdown.lame_duck,
        drain = ?settings.shutdown.drain,
        "limits"
    );
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address = %server.address(),
        health_address = server.health_address().map(tracing::field::display),
        metrics_address = server.metrics_address().map(tracing::field::display),
        work = ?settings.service.work,
        reflection = settings.reflection.enabled,
        "listening"
    );
    let report = server.run(shutdown).await;
    report.log();
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(sysexits::FORCED) })
}

fn run_config(command: ConfigCommand) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match command {
        ConfigCommand::Default => write!(out, "{}", config::DEFAULTS)?,
        ConfigCommand::Check(settings) => {
            let settings = settings.load()?.settings;
            log::filter(&settings.log)?;
            check_tls(settings.tls.as_ref())?;
            writeln!(out, "the configuration is valid")?;
        }
        ConfigCommand::Show { settings, json } => {
            let loaded = settings.load()?;
            if json {
                loaded.write_json(&mut out)?;
            } else {
                loaded.write_toml(&mut out)?;
                if let Some(directives) = log::level_override() {
                    writeln!(out, "\n# {}={directives:?} wins over log.level", log::OVERRIDE)?;
                }
            }
        }
    }
    Ok(())
}
