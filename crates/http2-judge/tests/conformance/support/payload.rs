//! The payloads of the frames of the server.

use http2_judge::{
    frame::{PADDED, number},
    hpack::Field,
};

/// Checks the header block of a response (RFC 9113, sections 8.1 to 8.3).
pub(super) fn check(fields: &[Field], is_first: bool, is_end: bool) {
    let regular = if is_first {
        let (name, status) = fields.first().expect("a response has :status");
        assert_eq!(name, b":status");
        assert!(status.len() == 3 && (b'2'..=b'5').contains(&status[0]), "status {status:?}");
        &fields[1..]
    } else {
        assert!(is_end, "trailers have END_STREAM");
        fields
    };
    for (name, value) in regular {
        let text = String::from_utf8_lossy(name);
        assert!(http::HeaderName::from_lowercase(name).is_ok(), "the name {text}");
        let hop =
            ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "te"];
        assert!(!hop.contains(&&*text), "{text} is for one connection");
        assert!(value.trim_ascii().len() == value.len(), "the value of {text}");
        assert!(!value.iter().any(|byte| b"\0\r\n".contains(byte)), "the value of {text}");
    }
}

/// Returns the payload without its padding.
pub(super) fn unpadded(flags: u8, payload: &[u8]) -> &[u8] {
    if flags & PADDED == 0 {
        return payload;
    }
    let padding = usize::from(payload[0]);
    &payload[1..payload.len() - padding]
}

/// Returns the settings of a SETTINGS frame.
pub(super) fn parse(payload: &[u8]) -> Vec<(u16, u32)> {
    let setting = |bytes: &[u8]| (u16::from_be_bytes([bytes[0], bytes[1]]), number(&bytes[2..]));
    payload.chunks_exact(6).map(setting).collect()
}
