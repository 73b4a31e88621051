//! The log on standard output: text for people, JSON for machines.

use std::{
    env,
    io::{self, IsTerminal},
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    filter::{ParseError, Targets},
    fmt::{self, format::Format},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::{directives, json::JsonLines, panics, text::TextFields, writer::LogWriter};
use crate::config::{Log, LogFormat};

/// The variable that overrides `log.level`. It has directives such as `info,h2=debug`.
pub(crate) const OVERRIDE: &str = "RUST_LOG";

/// `RUST_LOG` is not valid.
#[derive(Debug, thiserror::Error)]
#[error("{OVERRIDE}={directives:?} does not parse: {problem}")]
pub(crate) struct BadOverride {
    directives: String,
    problem: String,
}

/// Returns the value of `RUST_LOG`, or `None` if it is not set or has no directive.
pub(crate) fn level_override() -> Option<String> {
    let text = env::var_os(OVERRIDE)?.to_string_lossy().into_owned();
    let is_set = directives::words(&text).next().is_some();
    is_set.then_some(text)
}

/// The crates of this workspace, whose lines have the level of `log.level`.
const OWN: [&str; 4] = ["chassis", "channel", "load", "wire"];

/// Returns which lines are logged. `program` is the name of the program's crate.
///
/// # Errors
///
/// Returns an error if `RUST_LOG` has a word that is neither a level nor a known crate.
pub(crate) fn filter(settings: &Log, program: &str) -> Result<Targets, BadOverride> {
    filter_with(&level_override().unwrap_or_default(), settings.level, program)
}

fn filter_with(text: &str, level: LevelFilter, program: &str) -> Result<Targets, BadOverride> {
    let bad = |problem| BadOverride { directives: text.to_owned(), problem };
    let given = directives::parse(text, program).map_err(bad)?;
    // A level for everything replaces `log.level`; directives for some crates are added to it.
    let configured = if given.have_default { Vec::new() } else { configured(level, program) };
    let all = [configured, given.all].concat().join(",");
    all.parse().map_err(|error: ParseError| bad(error.to_string()))
}

/// Returns the directives of `log.level`. It applies to this program: the frames that its
/// libraries log at debug would bury it.
fn configured(level: LevelFilter, program: &str) -> Vec<String> {
    let libraries = level.min(LevelFilter::INFO);
    // h2 warns of each mistake of a peer, however many there are.
    let http2 = level.min(LevelFilter::ERROR);
    let own = OWN.iter().copied().chain([program]).map(|name| format!("{name}={level}"));
    [libraries.to_string(), format!("h2={http2}")].into_iter().chain(own).collect()
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
        LogFormat::Text => {
            filtered.with(lines.fmt_fields(TextFields).with_ansi(colour())).init();
        }
        LogFormat::Json => {
            let format = Format::default().json().flatten_event(true).with_target(false);
            let lines = lines.json().event_format(JsonLines(format));
            filtered.with(lines.with_ansi(false)).init();
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

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    /// Returns whether the program and h2 are logged at a level.
    fn is_logged(text: &str, level: Level) -> [bool; 2] {
        let filter = filter_with(text, LevelFilter::INFO, "sample_service").expect("valid");
        ["sample_service::service", "h2::codec"].map(|target| filter.would_enable(target, &level))
    }

    #[test]
    fn log_level_applies_to_what_no_directive_selects() {
        for (text, level, expected) in [
            ("", Level::INFO, [true, false]),
            ("", Level::DEBUG, [false, false]),
            // The program is not named, so that its level stays.
            ("h2=debug", Level::INFO, [true, true]),
            ("h2=debug", Level::DEBUG, [false, true]),
            ("tower=off", Level::INFO, [true, false]),
            ("sample-service=debug", Level::DEBUG, [true, false]),
            ("sample_service=off", Level::ERROR, [false, true]),
            // A level for everything, as it always was.
            ("info", Level::INFO, [true, true]),
            ("debug", Level::DEBUG, [true, true]),
            ("off", Level::ERROR, [false, false]),
            ("off,h2=debug", Level::DEBUG, [false, true]),
        ] {
            assert_eq!(is_logged(text, level), expected, "{text:?} at {level}");
        }
    }
}
