//! Text that a caller chose.

/// A caller's text in the log and in status messages is cut to this many bytes.
pub(crate) const MAX_TEXT: usize = 128;

/// Returns at most the first [`MAX_TEXT`] bytes.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}
