//! The types that settings have, and what is expected of each.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use bytesize::ByteSize;
use config::ValueKind;
use http::{Uri, uri::Scheme};
use tokio::sync::Semaphore;
use tracing::level_filters::LevelFilter;

/// A type that a setting can have.
pub(super) trait Setting: Sized {
    /// The value, or what was expected in its place.
    fn read(kind: &ValueKind) -> Result<Self, String>;
}

/// How many of something there may be at once: from 1 to what a semaphore can
/// count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permits(usize);

impl Permits {
    /// The limit as a number, never 0 and never above [`Semaphore::MAX_PERMITS`].
    pub fn get(self) -> usize {
        self.0
    }
}

impl Setting for Permits {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        // With 0 everything would wait for ever.
        whole_number(kind, 1, Semaphore::MAX_PERMITS).map(Self)
    }
}

impl Setting for usize {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        whole_number(kind, 0, Semaphore::MAX_PERMITS)
    }
}

impl Setting for NonZeroU32 {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        whole_number(kind, 1, u32::MAX as usize).map(|number| {
            u32::try_from(number).ok().and_then(Self::new).expect("the range was checked")
        })
    }
}

fn whole_number(kind: &ValueKind, least: usize, most: usize) -> Result<usize, String> {
    let number = match kind {
        ValueKind::I64(number) => usize::try_from(*number).ok(),
        _ => None,
    };
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("a whole number from {least} to {most}"))
}

/// A number of bytes, written as `"16KiB"` or `"4MiB"`: from 1 to what HTTP/2
/// can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(u32);

impl Size {
    /// The number of bytes.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Setting for Size {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        parse(kind, |text| u32::try_from(text.parse::<ByteSize>().ok()?.as_u64()).ok())
            .filter(|&bytes| bytes > 0)
            .map(Self)
            .ok_or_else(|| "a size below 4GiB, such as \"16KiB\" or \"4MiB\"".to_owned())
    }
}

impl Setting for bool {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        match kind {
            ValueKind::Boolean(value) => Ok(*value),
            _ => Err("true or false".to_owned()),
        }
    }
}

impl Setting for SocketAddr {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        parse(kind, |text| text.parse().ok()).ok_or_else(|| {
            "an IP address and a port, such as \"[::]:9999\" or \"127.0.0.1:0\"".to_owned()
        })
    }
}

/// Empty text is no address, for TOML has no word for nothing.
impl Setting for Option<SocketAddr> {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        match kind {
            ValueKind::String(text) if text.is_empty() => Ok(None),
            _ => SocketAddr::read(kind).map(Some),
        }
    }
}

/// Empty text is no file.
impl Setting for Option<PathBuf> {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        match kind {
            ValueKind::String(path) if path.is_empty() => Ok(None),
            ValueKind::String(path) => Ok(Some(path.into())),
            _ => Err("the path of a file, or \"\" for none".to_owned()),
        }
    }
}

/// A duration in words, such as `250ms` or `1m 30s`; nothing where it is none, or
/// more than a year, which no clock need add to its time.
pub fn parse_duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|duration| *duration <= YEAR)
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Setting for Duration {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        parse(kind, parse_duration).ok_or_else(|| {
            "a duration with its unit, up to a year, such as \"250ms\" or \"5s\"".to_owned()
        })
    }
}

/// A duration of which zero would make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NonZeroDuration(Duration);

impl NonZeroDuration {
    /// The duration, never zero.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl Setting for NonZeroDuration {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        Duration::read(kind).ok().filter(|duration| !duration.is_zero()).map(Self).ok_or_else(
            || "a duration above 0, up to a year, such as \"250ms\" or \"5s\"".to_owned(),
        )
    }
}

impl Setting for LevelFilter {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        let levels = [
            ("off", Self::OFF),
            ("error", Self::ERROR),
            ("warn", Self::WARN),
            ("info", Self::INFO),
            ("debug", Self::DEBUG),
            ("trace", Self::TRACE),
        ];
        one_of(&levels, kind)
    }
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, in colour on a terminal.
    Text,
    /// For machines: one object a line.
    Json,
}

impl Setting for LogFormat {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        one_of(&[("text", Self::Text), ("json", Self::Json)], kind)
    }
}

/// Which calls leave a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every call.
    All,
    /// Calls that did not end OK.
    Errors,
    /// None, but for slow ones.
    Off,
}

impl Setting for Access {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        one_of(&[("all", Self::All), ("errors", Self::Errors), ("off", Self::Off)], kind)
    }
}

/// A part of a whole: from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(f64);

impl Ratio {
    /// The part, never below 0 and never above 1.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Setting for Ratio {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        let number = match kind {
            ValueKind::Float(number) => Some(*number),
            ValueKind::I64(number @ (0 | 1)) => Some(*number as f64),
            _ => None,
        };
        number
            .filter(|number| (0.0..=1.0).contains(number))
            .map(Self)
            .ok_or_else(|| "a number from 0.0 to 1.0".to_owned())
    }
}

/// Where spans are sent: a URL of plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Uri);

impl Endpoint {
    /// The URL.
    pub fn get(&self) -> &Uri {
        &self.0
    }
}

/// Empty text is no endpoint, as with addresses.
impl Setting for Option<Endpoint> {
    fn read(kind: &ValueKind) -> Result<Self, String> {
        if matches!(kind, ValueKind::String(text) if text.is_empty()) {
            return Ok(None);
        }
        parse(kind, |text| text.parse::<Uri>().ok())
            .filter(|url| url.scheme() == Some(&Scheme::HTTP) && url.host().is_some())
            .map(|url| Some(Endpoint(url)))
            .ok_or_else(|| {
                "a URL of plain HTTP, such as \"http://localhost:4317\" \
                 (for https, put a collector beside the server)"
                    .to_owned()
            })
    }
}

fn parse<T>(kind: &ValueKind, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    match kind {
        ValueKind::String(text) => parse(text),
        _ => None,
    }
}

fn one_of<T: Copy>(choices: &[(&str, T)], kind: &ValueKind) -> Result<T, String> {
    let chosen = parse(kind, |text| {
        choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice)
    });
    chosen.ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
        format!("one of {}", names.join(", "))
    })
}
