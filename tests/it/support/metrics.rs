//! The page `/metrics` of a server, parsed.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use super::{http1::get, process::NEVER};

/// Turns metrics on, at a free port.
pub(crate) const METRICS: (&str, &str) = ("SAMPLE__METRICS__ADDRESS", "127.0.0.1:0");

/// Returns the series at that address, by name and labels as they are written.
pub(crate) fn scrape(address: &str) -> BTreeMap<String, f64> {
    parse(&get(address, "/metrics").body)
}

pub(crate) fn parse(text: &str) -> BTreeMap<String, f64> {
    let series = text.lines().filter(|line| !line.starts_with('#'));
    let series = series.map(|line| line.rsplit_once(' ').expect("a name and a value"));
    series.map(|(name, value)| (name.to_owned(), value.parse().expect("a number"))).collect()
}

pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + NEVER;
    while !condition() {
        assert!(Instant::now() < deadline, "the condition never became true");
        thread::sleep(Duration::from_millis(10));
    }
}
