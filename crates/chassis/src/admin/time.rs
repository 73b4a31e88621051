//! Times as the log has them.

use std::time::SystemTime;

/// Returns the time with milliseconds in RFC 3339, such as `2026-01-31T12:00:00.123Z`.
pub(super) fn shown(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
