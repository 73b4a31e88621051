//! The header `grpc-timeout` ("Timeout" in the gRPC HTTP/2 protocol).

use std::time::Duration;

use http::HeaderValue;

/// Returns the header for a timeout: at most eight digits and a unit.
pub fn format(left: Duration) -> HeaderValue {
    const DIGITS: u128 = 100_000_000;
    let units = [
        (left.as_micros(), 'u'),
        (left.as_millis(), 'm'),
        (u128::from(left.as_secs()), 'S'),
        (u128::from(left.as_secs() / 60), 'M'),
    ];
    let (value, unit) =
        units.into_iter().find(|(value, _)| *value < DIGITS).unwrap_or((DIGITS - 1, 'H'));
    HeaderValue::try_from(format!("{value}{unit}")).expect("digits and a letter")
}

/// Returns the value of `grpc-timeout`, or `None` if it is not valid.
///
/// The gRPC HTTP/2 protocol defines it as at most eight digits and a unit, and does not
/// define what other values mean. They count as no timeout, as in gRPC's C core, and the
/// server's own deadline still holds. They do not end the call with INVALID_ARGUMENT, because
/// a gRPC library never generates that code (gRPC's list of status codes).
pub fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = str::from_utf8(digits).ok()?.parse::<u64>().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 60 * 60),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_formatted_with_at_most_eight_digits() {
        for (left, text) in [
            (Duration::ZERO, "0u"),
            (Duration::from_millis(1500), "1500000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(100_000_000), "1666666M"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(format(left), text, "{left:?}");
        }
    }

    #[test]
    fn a_timeout_is_read_as_the_protocol_defines_it() {
        for (text, expected) in [
            (&b"1H"[..], Some(Duration::from_secs(3600))),
            (b"2M", Some(Duration::from_secs(120))),
            (b"3S", Some(Duration::from_secs(3))),
            (b"4m", Some(Duration::from_millis(4))),
            (b"5u", Some(Duration::from_micros(5))),
            (b"6n", Some(Duration::from_nanos(6))),
            (b"0m", Some(Duration::ZERO)),
            (b"99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            (b"999999999S", None),
            (b"S", None),
            (b"", None),
            (b"5", None),
            (b"5s", None),
            (b"-5S", None),
            (b"+5S", None),
            (b"5 S", None),
            (b"5.5S", None),
            (b"\xff\xff", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
