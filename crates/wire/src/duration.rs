//! Durations as people write them.

use std::time::Duration;

/// The longest duration that is accepted: no clock overflows when it is added.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Parses a duration with its unit, such as `250ms` or `1m 30s`.
///
/// Returns `None` if the text is not a duration, or is longer than a year.
pub fn parse_duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|duration| *duration <= YEAR)
}

/// Parses the duration of a command-line flag such as `--timeout`.
///
/// # Errors
///
/// Returns what was expected if the text is not a duration, is zero, or is longer than a
/// year.
pub fn parse_timeout(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .filter(|timeout| !timeout.is_zero())
        .ok_or_else(|| "expected a duration above 0, up to a year, such as 250ms or 5s".to_owned())
}
