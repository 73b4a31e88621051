//! Text that a caller chose.

/// The most characters of a caller's text in the log and in status messages.
pub(crate) const MAX_TEXT: usize = 128;

/// Returns at most the first 128 characters of a text, for a status that contains text of the
/// caller.
///
/// The message of a status is a header field, and each byte of it that is not ASCII takes three.
/// Clients and proxies refuse a call whose fields are too large, and then the caller does not see
/// the status.
pub(crate) fn cut(text: &str) -> &str {
    if text.len() <= MAX_TEXT {
        return text;
    }
    text.char_indices().nth(MAX_TEXT).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_128_characters_and_never_within_one() {
        for character in ["x", "\u{e9}", "\u{20ac}", "\u{1f980}"] {
            for (length, kept) in [(0, 0), (127, 127), (128, 128), (129, 128), (10_000, 128)] {
                let text = character.repeat(length);
                assert_eq!(cut(&text), character.repeat(kept), "{length} of {character}");
            }
        }
        let mixed = "x".to_owned() + &"\u{1f980}".repeat(200);
        assert_eq!(cut(&mixed).chars().count(), 128);
    }
}
