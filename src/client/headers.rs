//! What each attempt of a call says of itself, beside what its caller says.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header::USER_AGENT};
use tokio::time::Instant;

/// How many attempts of this call there were before (gRFC A6).
pub(super) const PREVIOUS_ATTEMPTS: &str = "grpc-previous-rpc-attempts";
/// What is left of the time of a call ("Timeout" in the gRPC HTTP/2 protocol).
pub(super) const TIMEOUT: &str = "grpc-timeout";
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("sample-service/", env!("CARGO_PKG_VERSION")));

/// The headers of an attempt: those of the call, and its own.
pub(super) fn of_attempt(call: &HeaderMap, previous: u32, deadline: Option<Instant>) -> HeaderMap {
    let mut headers = call.clone();
    headers.insert(USER_AGENT, AGENT);
    if let Some(deadline) = deadline {
        headers.insert(TIMEOUT, grpc_timeout(deadline.saturating_duration_since(Instant::now())));
    }
    if previous > 0 {
        headers.insert(PREVIOUS_ATTEMPTS, previous.into());
    }
    headers
}

/// At most eight digits, and a unit ("Timeout" in the gRPC HTTP/2 protocol).
pub(super) fn grpc_timeout(left: Duration) -> HeaderValue {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_eight_digits_at_most() {
        for (left, text) in [
            (Duration::ZERO, "0u"),
            (Duration::from_millis(1500), "1500000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(100_000_000), "1666666M"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(grpc_timeout(left), text, "{left:?}");
        }
    }
}
