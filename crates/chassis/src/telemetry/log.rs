//! The log on standard output: text for people, JSON for machines.

use std::{
    env,
    io::{self, IsTerminal},
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::{panics, writer::LogWriter};
use crate::config::{Log, LogFormat};

/// The variable that overrides `log.level`. It has directives such as `info,h2=debug`; see
/// [`Targets`].
pub(crate) const OVERRIDE: &str = "RUST_LOG";

/// `RUST_LOG` is not valid.
#[derive(Debug, thiserror::Error)]
#[error("{OVERRIDE}={directives:?} does not parse: {problem}")]
pub(crate) struct BadOverride {
    directives: String,
    problem: String,
}

/// Returns the value of `RUST_LOG`, or `None` if it is not set or empty.
pub(crate) fn level_override() -> Option<String> {
    let directives = env::var_os(OVERRIDE).filter(|directives| !directives.is_empty())?;
    Some(directives.to_string_lossy().into_owned())
}

/// The crates of this workspace, whose lines have the level of `log.level`.
const OWN: [&str; 4] = ["chassis", "channel", "load", "wire"];

/// Returns which lines are logged. `program` is the name of the program's crate.
///
/// # Errors
///
/// Returns an error if `RUST_LOG` does not parse.
pub(crate) fn filter(settings: &Log, program: &str) -> Result<Targets, BadOverride> {
    match level_override() {
        Some(directives) => directives
            .parse::<Targets>()
            .map_err(|error| BadOverride { directives, problem: error.to_string() }),
        // The level applies to this program: the frames that its libraries log at debug would
        // bury it.
        None => {
            let libraries = settings.level.min(LevelFilter::INFO);
            // h2 warns of each mistake of a peer, however many there are.
            let http2 = settings.level.min(LevelFilter::ERROR);
            let targets = Targets::new().with_default(libraries).with_target("h2", http2);
            let own = OWN.iter().copied().chain([program]);
            Ok(targets.with_targets(own.map(|name| (name, settings.level))))
        }
    }
}

/// Starts the log for the rest of the process. Returns its writer, which can flush it.
///
/// # Errors
///
/// Returns the system's error if it has no thread left.
///
/// # Panics
///
/// Panics if the process has a log already.
pub(crate) fn start(filter: Targets, format: LogFormat) -> io::Result<LogWriter> {
    let writer = LogWriter::start(io::stdout())?;
    let filtered = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_target(false).with_writer(writer.clone());
    match format {
        LogFormat::Text => filtered.with(lines.with_ansi(colour())).init(),
        LogFormat::Json => {
            filtered.with(lines.json().flatten_event(true).with_ansi(false)).init();
        }
    }
    panics::observe();
    Ok(writer)
}

/// Returns whether text is in colour: on a terminal, unless `NO_COLOR` is set
/// (<https://no-color.org>).
pub(crate) fn colour() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
