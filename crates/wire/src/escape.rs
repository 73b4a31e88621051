//! Text of a peer, made safe for a terminal and for a line of a log.

use std::fmt::{self, Display, Formatter, Write};

/// Shows a text with its control characters escaped as in JSON: `\n`, `\u009b`.
///
/// These are C0, DEL and C1, which command a terminal, the separators of lines and paragraphs,
/// and the bidirectional controls, which make a text look like another.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// A writer that escapes as [`Escaped`] does.
#[derive(Debug)]
pub struct Escaping<W>(pub W);

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return self.0.write_str(text);
        }
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        match c {
            '\n' => self.0.write_str("\\n"),
            '\r' => self.0.write_str("\\r"),
            '\t' => self.0.write_str("\\t"),
            c if is_control(c) => write!(self.0, "\\u{:04x}", u32::from(c)),
            c => self.0.write_char(c),
        }
    }
}

fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_character_is_escaped() {
        let listed = "\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\
                      \u{2068}\u{2069}\u{200e}\u{200f}\u{61c}";
        let controls = (0..0x20).chain(0x7f..=0x9f).filter_map(char::from_u32);
        for c in controls.chain(listed.chars()) {
            let escaped = Escaped(format!("a{c}b")).to_string();
            assert!(escaped.starts_with("a\\") && escaped.ends_with('b'), "{c:?}: {escaped:?}");
            let json: String = unescaped(&escaped);
            assert_eq!(json, format!("a{c}b"));
        }
        assert_eq!(Escaped("\x1b[31m\u{9b}31m\n").to_string(), "\\u001b[31m\\u009b31m\\n");
    }

    /// Reads the escapes as JSON defines them.
    fn unescaped(escaped: &str) -> String {
        let mut text = String::new();
        let mut rest = escaped.chars();
        while let Some(c) = rest.next() {
            text.push(match c {
                '\\' => match rest.next().expect("an escape") {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => {
                        let digits: String = rest.by_ref().take(4).collect();
                        let code = u32::from_str_radix(&digits, 16).expect("hexadecimal");
                        char::from_u32(code).expect("a character")
                    }
                    other => panic!("{other}"),
                },
                c => c,
            });
        }
        text
    }

    #[test]
    fn other_text_stays() {
        for text in
            ["", "reply for hello", "a\\b \"c\"", "grüße, 你好, שלום, 🙂", "\u{200d}\u{feff}"]
        {
            assert_eq!(Escaped(text).to_string(), text);
        }
    }
}
