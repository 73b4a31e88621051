//! The types that only settings have.

use std::time::Duration;

use bytesize::ByteSize;
use http::{Uri, uri::Scheme};
use tokio::sync::Semaphore;
use toml::Value;

use super::value::{Setting, one_of, parse, whole_number};

/// A limit: from 1 to the number of permits that a semaphore can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permits(usize);

impl Permits {
    /// Returns the limit, never 0 and never above [`Semaphore::MAX_PERMITS`].
    pub fn get(self) -> usize {
        self.0
    }
}

impl Setting for Permits {
    fn read(value: &Value) -> Result<Self, String> {
        // With 0, everything would wait forever.
        whole_number(value, 1, Semaphore::MAX_PERMITS).map(Self)
    }
}

/// A limit as a number, or as a percentage of another limit; 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// This number; 0 for no limit.
    Number(usize),
    /// A percentage of the other limit, from 1 to 100.
    Percent(usize),
}

impl Share {
    /// Returns the limit if the other limit is `whole`, or `None` if there is no limit. It is
    /// never 0.
    pub fn of(self, whole: usize) -> Option<usize> {
        match self {
            Self::Number(0) => None,
            Self::Number(number) => Some(number),
            Self::Percent(percent) => {
                // Without overflow, and rounded up.
                let (hundreds, rest) = (whole / 100, whole % 100);
                Some((hundreds * percent + (rest * percent).div_ceil(100)).max(1))
            }
        }
    }
}

impl Setting for Share {
    fn read(value: &Value) -> Result<Self, String> {
        let number =
            |value: &Value| whole_number(value, 0, Semaphore::MAX_PERMITS).ok().map(Self::Number);
        // Values of variables and flags are text, because the default is text.
        let from_text = |text: &str| match text.strip_suffix('%') {
            Some(percent) => percent
                .parse()
                .ok()
                .filter(|percent| (1..=100).contains(percent))
                .map(Self::Percent),
            None => number(&Value::Integer(text.parse().ok()?)),
        };
        number(value).or_else(|| parse(value, from_text)).ok_or_else(|| {
            "a whole number, a percentage from \"1%\" to \"100%\", or 0 for no limit".to_owned()
        })
    }
}

/// A number of bytes, written as `"16KiB"` or `"4MiB"`: from 1 to what HTTP/2 can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(u32);

impl Size {
    /// Returns the number of bytes, never 0.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Setting for Size {
    fn read(value: &Value) -> Result<Self, String> {
        parse(value, |text| u32::try_from(text.parse::<ByteSize>().ok()?.as_u64()).ok())
            .filter(|&bytes| bytes > 0)
            .map(Self)
            .ok_or_else(|| "a size below 4GiB, such as \"16KiB\" or \"4MiB\"".to_owned())
    }
}

/// The permissions of a Unix socket, written as `"0660"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketMode(u32);

impl SocketMode {
    /// Returns the permissions, never more than `0o777`.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Setting for SocketMode {
    fn read(value: &Value) -> Result<Self, String> {
        // Only text, because the TOML number 660 is decimal and has other bits.
        parse(value, |text| u32::from_str_radix(text, 8).ok())
            .filter(|&mode| mode <= 0o777)
            .map(Self)
            .ok_or_else(|| "the permissions in octal as text, such as \"0660\"".to_owned())
    }
}

/// A duration that is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NonZeroDuration(Duration);

impl NonZeroDuration {
    /// Returns the duration, never zero.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl Setting for NonZeroDuration {
    fn read(value: &Value) -> Result<Self, String> {
        Duration::read(value).ok().filter(|duration| !duration.is_zero()).map(Self).ok_or_else(
            || {
                "a duration above 0 with its unit (ms, s, m, h or d), up to a year, such as \
                 \"250ms\" or \"5s\""
                    .to_owned()
            },
        )
    }
}

/// A share of a whole: from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(f64);

impl Ratio {
    /// Returns the share, never below 0 and never above 1.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Setting for Ratio {
    fn read(value: &Value) -> Result<Self, String> {
        let number = match value {
            Value::Float(number) => Some(*number),
            Value::Integer(number @ (0 | 1)) => Some(*number as f64),
            _ => None,
        };
        number
            .filter(|number| (0.0..=1.0).contains(number))
            .map(Self)
            .ok_or_else(|| "a number from 0.0 to 1.0".to_owned())
    }
}

/// The URL of a collector: plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Uri);

impl Endpoint {
    /// Returns the URL.
    pub fn get(&self) -> &Uri {
        &self.0
    }
}

/// Empty text means no endpoint.
impl Setting for Option<Endpoint> {
    fn read(value: &Value) -> Result<Self, String> {
        if value.as_str() == Some("") {
            return Ok(None);
        }
        parse(value, |text| text.parse::<Uri>().ok())
            .filter(|url| url.scheme() == Some(&Scheme::HTTP) && url.host().is_some())
            .map(|url| Some(Endpoint(url)))
            .ok_or_else(|| {
                "a URL of plain HTTP, such as \"http://localhost:4317\" \
                 (for https, put a collector beside the server)"
                    .to_owned()
            })
    }
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, with colors on a terminal.
    Text,
    /// For machines: one object per line.
    Json,
}

impl Setting for LogFormat {
    fn read(value: &Value) -> Result<Self, String> {
        one_of(&[("text", Self::Text), ("json", Self::Json)], value)
    }
}

/// The calls that are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every call.
    All,
    /// Calls that do not end with OK.
    Errors,
    /// No call, except slow ones.
    Off,
}

impl Setting for Access {
    fn read(value: &Value) -> Result<Self, String> {
        one_of(&[("all", Self::All), ("errors", Self::Errors), ("off", Self::Off)], value)
    }
}

/// The buckets of histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Histograms {
    /// Fixed bounds.
    Classic,
    /// Bounds that Prometheus' native histograms have.
    Native,
    /// Both.
    Both,
}

impl Setting for Histograms {
    fn read(value: &Value) -> Result<Self, String> {
        let choices = [("classic", Self::Classic), ("native", Self::Native), ("both", Self::Both)];
        one_of(&choices, value)
    }
}

/// The responses that are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Responses {
    /// Responses to compressed requests.
    Mirror,
    /// Responses to clients that accept compression.
    Always,
    /// None.
    Never,
}

impl Setting for Responses {
    fn read(value: &Value) -> Result<Self, String> {
        let choices = [("mirror", Self::Mirror), ("always", Self::Always), ("never", Self::Never)];
        one_of(&choices, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_number_or_a_percentage_rounded_up() {
        for (value, whole, limit) in [
            (Value::from("25%"), 10_000, Some(2500)),
            (Value::from("25%"), 10, Some(3)),
            (Value::from("25%"), 1, Some(1)),
            (Value::from("100%"), usize::MAX, Some(usize::MAX)),
            (Value::from("7"), 10_000, Some(7)),
            (Value::from(7), 10_000, Some(7)),
            (Value::from("0"), 10_000, None),
            (Value::from(0), 10_000, None),
        ] {
            let share = Share::read(&value).expect("it is a share");
            assert_eq!(share.of(whole), limit, "{value:?} of {whole}");
        }
    }
}
