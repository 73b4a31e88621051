//! Durations as people write them.

use std::time::Duration;

/// The longest duration that is accepted. It can be added to any clock without an overflow.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The units, and how many nanoseconds each has. Longer ones are not offered, because people do
/// not agree on the length of a month or on what `M` means.
const UNITS: [(&str, u128); 5] = [
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 60 * 60 * 1_000_000_000),
    ("d", 24 * 60 * 60 * 1_000_000_000),
];

/// Parses a duration with its unit, such as `250ms`, `1.5s` or `1m30s`. The units are `ms`, `s`,
/// `m`, `h` and `d`, in lower case; only `0` needs none. Spaces may separate the parts. Parts of
/// a nanosecond are cut off.
///
/// Returns `None` if the text is not a duration, or is longer than a year.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    match rest {
        "" => return None,
        "0" => return Some(Duration::ZERO),
        _ => {}
    }
    let mut nanoseconds = 0;
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split(after.trim_start(), |c| c.is_alphabetic());
        let (_, of_unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
        nanoseconds += product(number, *of_unit)?;
        rest = after.trim_start();
        if nanoseconds > YEAR.as_nanos() {
            return None;
        }
    }
    u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
}

/// Splits the text after the characters that `belong`.
fn split(text: &str, belong: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belong(c)).unwrap_or(text.len()))
}

/// Returns `number`, which has digits and at most one decimal point, times `unit`.
fn product(number: &str, unit: u128) -> Option<u128> {
    let (whole, decimals) = match number.split_once('.') {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (number, None),
    };
    // Neither can overflow, because `u64` has at most 20 digits.
    let whole = u128::from(whole.parse::<u64>().ok()?) * unit;
    let Some(decimals) = decimals else { return Some(whole) };
    let scale = 10_u128.pow(u32::try_from(decimals.len()).ok().filter(|&digits| digits <= 20)?);
    Some(whole + u128::from(decimals.parse::<u64>().ok()?) * unit / scale)
}

/// Parses the duration of a command-line flag such as `--timeout`.
///
/// # Errors
///
/// Returns the expected form if the text is not a duration, is zero or negative, or is longer
/// than a year.
pub fn parse_timeout(text: &str) -> Result<Duration, String> {
    parse_duration(text).filter(|timeout| !timeout.is_zero()).ok_or_else(|| {
        let sign = if is_negative(text) { "it is negative: " } else { "" };
        format!(
            "{sign}expected a duration above 0 with its unit (ms, s, m, h or d), up to a year, \
             such as 250ms or 5s"
        )
    })
}

/// Returns whether a text is meant as a number below 0.
pub fn is_negative(text: &str) -> bool {
    let number = text.strip_prefix('-').unwrap_or_default();
    number.starts_with(|c: char| c.is_ascii_digit() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_a_unit_or_several() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("250ms", 250),
            ("5s", 5_000),
            (" 5 s ", 5_000),
            ("1.5s", 1_500),
            ("0.25h", 15 * 60_000),
            ("1m30s", 90_000),
            ("1m 30s", 90_000),
            ("1h2m3s4ms", 3_723_004),
            ("5m", 5 * 60_000),
            ("2d", 2 * 24 * 60 * 60_000),
            ("365d", 365 * 24 * 60 * 60_000),
        ] {
            let duration = parse_duration(text);
            assert_eq!(duration, Some(Duration::from_millis(milliseconds)), "{text:?}");
        }
        assert_eq!(parse_duration("0.0000015ms"), Some(Duration::from_nanos(1)));
    }

    #[test]
    fn other_units_signs_and_numbers_without_a_unit_are_refused() {
        for text in [
            "", " ", "5", "00", "s", "ms", "5M", "5S", "5H", "5D", "5Ms", "5MS", "5us", "5µs",
            "5ns", "5w", "5y", "1week", "1month", "1year", "5min", "5mins", "5minutes", "5sec",
            "5seconds", "5hr", "5hours", "5days", "-1s", "+1s", "1m-30s", "1m30", "1 0s", "1.s",
            ".5s", "1..5s", "1.5.5s", "1,5s", "1e3s", "5s;", "1m, 30s", "٥s", "5ſ", "inf", "NaN",
        ] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_duration_above_a_year_is_refused_without_an_overflow() {
        for text in [
            "366d",
            "365d 1ms",
            "18446744073709551615s",
            "18446744073709551615s 1000ms",
            "18446744073709551615d 18446744073709551615d",
            "99999999999999999999999999999999999999999ms",
            "0.99999999999999999999999999999999999999999s",
        ] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_timeout_is_above_zero_and_its_error_lists_the_units() {
        assert_eq!(parse_timeout("1ms"), Ok(Duration::from_millis(1)));
        for text in ["0s", "5M", "5"] {
            let error = parse_timeout(text).expect_err(text);
            assert!(error.contains("(ms, s, m, h or d)"), "{error}");
        }
        let error = parse_timeout("-1s").expect_err("it is negative");
        assert!(error.starts_with("it is negative: expected a duration above 0"), "{error}");
    }
}
