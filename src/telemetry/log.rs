//! Log lines on standard output: text for people, JSON for machines.

use std::{
    backtrace::Backtrace,
    env,
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::LogWriter;
use crate::config::{Log, LogFormat};

/// The variable that wins over `log.level`. It takes directives such as
/// `info,h2=debug`; see [`Targets`].
pub const OVERRIDE: &str = "RUST_LOG";

/// The log cannot be as it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{OVERRIDE}={directives:?} does not parse: {problem}")]
pub struct BadOverride {
    directives: String,
    problem: String,
}

/// The override, where it is set to anything.
pub fn level_override() -> Option<String> {
    let directives = env::var_os(OVERRIDE).filter(|directives| !directives.is_empty())?;
    Some(directives.to_string_lossy().into_owned())
}

/// What is logged.
///
/// # Errors
///
/// Where `RUST_LOG` does not parse.
pub fn filter(settings: &Log) -> Result<Targets, BadOverride> {
    match level_override() {
        Some(directives) => directives
            .parse::<Targets>()
            .map_err(|error| BadOverride { directives, problem: error.to_string() }),
        // The level is that of this program: the frames that its libraries log
        // at debug would bury it.
        None => {
            let libraries = settings.level.min(LevelFilter::INFO);
            let own = env!("CARGO_CRATE_NAME");
            // h2 warns of what a peer does wrong, as often as that does it.
            let http2 = settings.level.min(LevelFilter::ERROR);
            let targets = Targets::new().with_default(libraries).with_target("h2", http2);
            Ok(targets.with_target(own, settings.level))
        }
    }
}

/// Starts the log for the rest of the process. What is returned flushes it.
///
/// # Errors
///
/// Where the system has no thread left.
///
/// # Panics
///
/// Where the process has a log already.
pub fn start(filter: Targets, format: LogFormat) -> io::Result<LogWriter> {
    let writer = LogWriter::start(io::stdout())?;
    let filtered = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_target(false).with_writer(writer.clone());
    match format {
        LogFormat::Text => filtered.with(lines.with_ansi(colour())).init(),
        LogFormat::Json => {
            filtered.with(lines.json().flatten_event(true).with_ansi(false)).init();
        }
    }
    panic::set_hook(Box::new(log_panic));
    Ok(writer)
}

/// A panic is a line of the log, with its backtrace, and not text in between.
fn log_panic(panic: &PanicHookInfo<'_>) {
    tracing::error!(
        cause = panic.payload_as_str().unwrap_or("(no message)"),
        location = panic.location().map(tracing::field::display),
        backtrace = %Backtrace::force_capture(),
        "panic"
    );
}

/// Whether text is in colour. It is for terminals, and for those who did not
/// opt out (<https://no-color.org>).
pub fn colour() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
