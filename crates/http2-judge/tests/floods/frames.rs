//! Frames that many floods send.

use http2_judge::frame::{END_HEADERS, HEADERS, SETTINGS, frame, post};

/// Returns the HEADERS of a POST.
pub(crate) fn request(stream: u32, path: &str, flags: u8) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, &post(path, &[]))
}

/// Returns a SETTINGS frame with these identifiers and values.
pub(crate) fn setting_frame(own: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = own
        .iter()
        .flat_map(|(name, value)| [name.to_be_bytes().to_vec(), value.to_be_bytes().to_vec()])
        .flatten()
        .collect();
    frame(SETTINGS, 0, 0, &payload)
}
