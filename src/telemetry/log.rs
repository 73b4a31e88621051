//! Log lines on standard output: text for people, JSON for machines.

use std::{
    backtrace::Backtrace,
    env,
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
};

use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::config::{Log, LogFormat};

/// The variable that wins over `log.level`. It takes directives such as
/// `info,h2=debug`; see [`EnvFilter`].
pub const OVERRIDE: &str = "RUST_LOG";

/// The override, where it is set to anything.
pub fn level_override() -> Option<String> {
    env::var(OVERRIDE).ok().filter(|directives| !directives.is_empty())
}

/// Starts the log for the rest of the process.
///
/// # Errors
///
/// Where `RUST_LOG` does not parse.
///
/// # Panics
///
/// Where the process has a log already.
pub fn start(settings: &Log) -> Result<(), ParseError> {
    let filter = match level_override() {
        Some(directives) => EnvFilter::try_new(directives)?,
        None => EnvFilter::default().add_directive(settings.level.into()),
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    match settings.format {
        LogFormat::Text => subscriber.with_ansi(colour()).init(),
        LogFormat::Json => subscriber.json().flatten_event(true).with_ansi(false).init(),
    }
    panic::set_hook(Box::new(log_panic));
    Ok(())
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

/// Colour is for terminals, and for those who did not opt out (<https://no-color.org>).
fn colour() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
