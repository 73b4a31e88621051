//! `google.protobuf.Timestamp` and `Duration` as texts.

use std::fmt::Write;

use crate::problem::Problem;

const DAY: i64 = 24 * 60 * 60;
/// 0001-01-01T00:00:00Z and the end of the year 9999.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;
/// protobuf's limit of a duration in seconds, about 10,000 years.
const LONGEST: i64 = 315_576_000_000;

/// Reads a time of RFC 3339, and returns seconds since 1970 and nanoseconds.
pub(super) fn parse_timestamp(text: &str) -> Result<(i64, i32), Problem> {
    let wrong = || {
        let example = "a time such as \"2026-01-31T12:00:00.5Z\"";
        Problem::new(format!("expected {example}, and it is {text:?}"))
    };
    timestamp(text).ok_or_else(wrong)
}

fn timestamp(text: &str) -> Option<(i64, i32)> {
    let (date, time) = text.split_at_checked(10)?;
    let (time, rest) = time.strip_prefix(['T', 't'])?.split_at_checked(8)?;
    let [year, month, day] = three(date, '-', 4)?;
    let [hour, minute, second] = three(time, ':', 2)?;
    let (nanos, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            (fraction(&rest[..end])?, &rest[end..])
        }
        None => (0, rest),
    };
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let sign = match zone.get(..1)? {
                "+" => 1,
                "-" => -1,
                _ => return None,
            };
            let (hours, minutes) = zone[1..].split_once(':')?;
            let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
            (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)?
        }
    };
    let is_valid = (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let time = (hour * 60 + minute) * 60 + second;
    let seconds = days(year, month, day) * DAY + time - offset;
    (is_valid && (FIRST..=LAST).contains(&seconds)).then_some((seconds, nanos))
}

fn three(text: &str, separator: char, first: usize) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let read =
        [number(parts.next()?, first)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?];
    parts.next().is_none().then_some(read)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let is_number = text.len() == digits && text.bytes().all(|c| c.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Reads one to nine decimals as nanoseconds.
fn fraction(digits: &str) -> Option<i32> {
    let is_fraction = (1..=9).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit());
    let padding = 9_usize.checked_sub(digits.len())?;
    let number: i32 = is_fraction.then(|| digits.parse().ok()).flatten()?;
    Some(number * 10_i32.pow(padding as u32))
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the days from 1970-01-01 to a date. Years begin in March here, so that the leap day is
/// the last day of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

/// Returns the time as RFC 3339 in UTC.
pub(super) fn format_timestamp(seconds: i64, nanos: i32) -> Result<String, Problem> {
    if !(FIRST..=LAST).contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
        return Err(Problem::new("a Timestamp is not of the years 1 to 9999"));
    }
    let since_march = seconds.div_euclid(DAY) + 719_468;
    let era = since_march.div_euclid(146_097);
    let day = since_march.rem_euclid(146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let time = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    let fraction = format_fraction(nanos);
    Ok(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
}

/// Reads a duration such as `-1.5s`.
pub(super) fn parse_duration(text: &str) -> Result<(i64, i32), Problem> {
    let wrong = || {
        let example = "a duration in seconds such as \"1.5s\"";
        Problem::new(format!("expected {example}, and it is {text:?}"))
    };
    duration(text).ok_or_else(wrong)
}

fn duration(text: &str) -> Option<(i64, i32)> {
    let text = text.strip_suffix('s')?;
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (whole, nanos) = match text.split_once('.') {
        Some((whole, decimals)) => (whole, fraction(decimals)?),
        None => (text, 0),
    };
    let seconds = number(whole, whole.len()).filter(|seconds| *seconds <= LONGEST)?;
    Some((sign * seconds, sign as i32 * nanos))
}

/// Returns the duration in seconds.
pub(super) fn format_duration(seconds: i64, nanos: i32) -> Result<String, Problem> {
    let signs = seconds.signum() * i64::from(nanos.signum());
    if seconds.unsigned_abs() > LONGEST.unsigned_abs()
        || nanos.unsigned_abs() > 999_999_999
        || signs < 0
    {
        return Err(Problem::new("a Duration is out of its range"));
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    Ok(format!("{sign}{}{}s", seconds.abs(), format_fraction(nanos.abs())))
}

/// Returns no decimals, or 3, 6 or 9.
fn format_fraction(nanos: i32) -> String {
    let mut text = String::new();
    if nanos != 0 {
        let _ = write!(text, ".{nanos:09}");
        while text.ends_with("000") {
            text.truncate(text.len() - 3);
        }
    }
    text
}
