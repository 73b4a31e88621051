//! The time in which a certificate is valid.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::certificate::X509Certificate;

/// Formats a time, such as `2030-01-31T00:00:00Z`.
pub(super) fn in_words(seconds: i64) -> String {
    // A certificate from before 1970 is shown as of 1970.
    let since_1970 = Duration::from_secs(seconds.try_into().unwrap_or(0));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since_1970).to_string()
}

/// Returns the seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> i64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_secs().try_into().unwrap_or(i64::MAX)
}

/// Returns the first second in which a certificate is valid.
pub(super) fn not_before(certificate: &X509Certificate<'_>) -> i64 {
    certificate.validity().not_before.timestamp()
}

/// Returns the last second in which a certificate is valid.
pub(super) fn not_after(certificate: &X509Certificate<'_>) -> i64 {
    certificate.validity().not_after.timestamp()
}

/// Checks that a certificate is valid now.
///
/// # Errors
///
/// Returns what is wrong if it is not.
pub(super) fn in_its_time(certificate: &X509Certificate<'_>, now: i64) -> Result<(), String> {
    let (not_before, not_after) = (not_before(certificate), not_after(certificate));
    if now < not_before {
        return Err(format!(
            "is not valid before {}: wait until then, or correct the clock of this machine",
            in_words(not_before)
        ));
    }
    if now > not_after {
        return Err(format!("has expired, at {}: renew it", in_words(not_after)));
    }
    Ok(())
}
