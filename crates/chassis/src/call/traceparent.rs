//! The header `traceparent` (W3C Trace Context).

/// Returns the trace id of a `traceparent` of version 00, of which later versions may only
/// be longer. Returns `None` if the header is not valid.
pub(super) fn trace_id(header: &[u8]) -> Option<&str> {
    let text = str::from_utf8(header).ok()?;
    let mut parts = text.split('-');
    let mut hex = |length| {
        let part = parts.next()?;
        let lower_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (part.len() == length && part.bytes().all(lower_hex)).then_some(part)
    };
    let (version, trace, parent, _flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let valid = version != "ff"
        && (version != "00" || parts.next().is_none())
        && !is_zero(trace)
        && !is_zero(parent);
    valid.then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_traceparent_has_a_trace_id() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        for (text, valid) in [
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later", false),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false),
            ("", false),
        ] {
            assert_eq!(trace_id(text.as_bytes()), valid.then_some(TRACE), "{text}");
        }
    }
}
