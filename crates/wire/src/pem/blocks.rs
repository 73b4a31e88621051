//! The blocks of a PEM file (RFC 7468), wherever they stand in their lines.
//!
//! Everything that looks like the beginning or the end of a block is reported, because a
//! block that is skipped in silence is an authority that is not trusted.

/// Five dashes, which are before and after the words of a block's first and last line.
const DASHES: &[u8] = b"-----";

/// A block, or what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// The kind of the content, such as `CERTIFICATE`.
    pub(super) label: &'a str,
    /// The line of the block's beginning, from 1.
    pub(super) line: usize,
    /// The text between the first and the last line.
    pub(super) body: Result<&'a [u8], Damage>,
}

/// Why a block cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// The text ends, or another block begins or ends, before the end of this one.
    NoEnd,
    /// It is the end of a block that has not begun.
    NoBeginning,
    /// The first line is not five dashes, BEGIN, a label and five dashes.
    Malformed,
}

/// Returns all blocks of a text.
pub(super) fn blocks(text: &[u8]) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Marker<'_>> = None;
    let mut lines = Lines { text, counted: 0, line: 1 };
    let mut position = 0;
    while let Some(mut marker) = next_marker(text, position) {
        position = marker.after;
        marker.line = lines.at(marker.start);
        let is_end = marker.is_end;
        if let Some(begin) = open.take() {
            let closes = is_end && marker.is_well_formed && marker.label == begin.label;
            let body = &text[begin.after..marker.start];
            blocks.push(begin.block(if closes { Ok(body) } else { Err(Damage::NoEnd) }));
        } else if is_end {
            blocks.push(marker.block(Err(Damage::NoBeginning)));
        }
        if !is_end {
            if marker.is_well_formed {
                open = Some(marker);
            } else {
                blocks.push(marker.block(Err(Damage::Malformed)));
            }
        }
    }
    blocks.extend(open.map(|begin| begin.block(Err(Damage::NoEnd))));
    blocks
}

/// The first or last line of a block, such as `-----BEGIN CERTIFICATE-----`.
struct Marker<'a> {
    start: usize,
    after: usize,
    line: usize,
    is_end: bool,
    label: &'a str,
    is_well_formed: bool,
}

impl<'a> Marker<'a> {
    fn block(&self, body: Result<&'a [u8], Damage>) -> Block<'a> {
        Block { label: self.label, line: self.line, body }
    }
}

/// Returns the next marker from a position. BEGIN or END in lower case, or with other dashes or
/// too few of them, is a malformed marker.
fn next_marker(text: &[u8], from: usize) -> Option<Marker<'_>> {
    (from..text.len()).find_map(|at| marker_at(text, from, at))
}

/// Returns the marker whose word BEGIN or END is at this position.
fn marker_at(text: &[u8], from: usize, at: usize) -> Option<Marker<'_>> {
    let (before, rest) = (&text[from..at], &text[at..]);
    let is = |word: &[u8]| rest.get(..word.len()).is_some_and(|at| at.eq_ignore_ascii_case(word));
    let (is_end, word) = match rest.first()? {
        b'B' | b'b' if is(b"BEGIN") => (false, &b"BEGIN"[..]),
        b'E' | b'e' if is(b"END") => (true, &b"END"[..]),
        _ => return None,
    };
    let spaces = before.len() - before.trim_ascii_end().len();
    let dashes = before[..before.len() - spaces].iter().rev().take_while(|byte| dash(**byte));
    let dashes = dashes.count();
    // One dash is an item of a list, or a word such as "front-end".
    if dashes < 2 {
        return None;
    }
    let label = rest[word.len()..].split(|byte| dash(*byte) || matches!(byte, b'\r' | b'\n'));
    let label = label.into_iter().next().unwrap_or_default();
    // A longer word, such as ENDPOINT.
    if label.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
        return None;
    }
    let after = word.len() + label.len();
    let is_well_formed = before.ends_with(DASHES)
        && rest.starts_with(word)
        && label.len() > 1
        && label.starts_with(b" ")
        && label[1..].trim_ascii() == &label[1..]
        && rest[after..].starts_with(DASHES);
    Some(Marker {
        start: at - spaces - dashes.min(DASHES.len()),
        after: at + after + if is_well_formed { DASHES.len() } else { 0 },
        line: 0,
        is_end,
        label: str::from_utf8(label.trim_ascii()).unwrap_or_default(),
        is_well_formed,
    })
}

/// Returns whether a byte is a dash, or part of a character outside ASCII: word processors
/// replace dashes by longer ones.
fn dash(byte: u8) -> bool {
    byte == b'-' || !byte.is_ascii()
}

/// Counts the lines of a text, which end with CR LF, LF or CR.
struct Lines<'a> {
    text: &'a [u8],
    counted: usize,
    line: usize,
}

impl Lines<'_> {
    /// Returns the line of a position that is not before the last one.
    fn at(&mut self, position: usize) -> usize {
        for at in self.counted..position {
            let ends = match self.text[at] {
                b'\n' => true,
                b'\r' => self.text.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            self.line += usize::from(ends);
        }
        self.counted = position;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, usize, Result<&str, Damage>)> {
        let text_of = |body| str::from_utf8(body).expect("UTF-8").trim();
        blocks(text.as_bytes())
            .into_iter()
            .map(|block| (block.label, block.line, block.body.map(text_of)))
            .collect()
    }

    #[test]
    fn blocks_are_found_wherever_they_stand_in_their_lines() {
        for text in [
            "-----BEGIN A-----\n1\n-----END A-----\n-----BEGIN B-----\n2\n-----END B-----\n",
            "-----BEGIN A-----\n1\n-----END A----------BEGIN B-----\n2\n-----END B-----",
            "-----BEGIN A-----1-----END A----------BEGIN B-----2-----END B-----",
            "\u{feff}-----BEGIN A-----\r\n1\r\n-----END A-----\r\n\u{feff}-----BEGIN B-----\n2\n-----END B-----",
            "  -----BEGIN A-----\n\t1\n  -----END A-----\n \u{a0}-----BEGIN B-----\n2\n-----END B-----",
            "-----BEGIN A-----\r1\r-----END A-----\r-----BEGIN B-----\r2\r-----END B-----",
            "subject=CN -----BEGIN A-----\n1\n-----END A-----;------BEGIN B-----\n2\n-----END B------",
            "the front-end begins -----BEGIN A-----\n1\n-----END A-----\n---- ENDPOINT\n- begin:\n\
             -----BEGIN B-----\n2\n-----END B-----",
        ] {
            let bodies: Vec<_> =
                found(text).into_iter().map(|(label, _, body)| (label, body)).collect();
            assert_eq!(bodies, [("A", Ok("1")), ("B", Ok("2"))], "{text:?}");
        }
    }

    #[test]
    fn a_malformed_block_is_reported_with_its_line() {
        use Damage::{Malformed, NoBeginning, NoEnd};
        for (text, label, line, damage) in [
            ("-----BEGIN A-----\n1\n", "A", 1, NoEnd),
            ("\n-----BEGIN A-----\n1\n-----BEGIN B-----\n2\n-----END B-----", "A", 2, NoEnd),
            ("\r\n\r\n-----BEGIN A-----\r\n1\r\n-----END B-----", "A", 3, NoEnd),
            ("\r\r-----BEGIN A-----\r1\r-----END A----", "A", 3, NoEnd),
            ("1\n-----END A-----\n", "A", 2, NoBeginning),
            ("\n----BEGIN A-----\n1\n-----END A-----", "A", 2, Malformed),
            ("\n-----BEGIN A----\n1\n", "A", 2, Malformed),
            ("-----BEGIN A\n1\n", "A", 1, Malformed),
            ("-----BEGIN  A-----\n1\n", "A", 1, Malformed),
            ("-----BEGIN A -----\n1\n", "A", 1, Malformed),
            ("----- BEGIN A -----\n1\n", "A", 1, Malformed),
            ("-----BEGIN\tA-----\n1\n", "A", 1, Malformed),
            ("-----begin A-----\n1\n", "A", 1, Malformed),
            ("\u{2014}\u{2014}-BEGIN A-----\n1\n", "A", 1, Malformed),
            ("-----BEGIN A\u{2014}\u{2014}-\n1\n", "A", 1, Malformed),
        ] {
            let first = found(text).into_iter().next();
            assert_eq!(first, Some((label, line, Err(damage))), "{text:?}");
        }
    }

    #[test]
    fn text_without_blocks_has_none() {
        for text in ["", "-----", "-----BEGIN-----", "-----BEGINNING A-----", "the END", "B", "-E"]
        {
            assert!(found(text).iter().all(|(label, ..)| label.is_empty()), "{text:?}");
        }
    }
}
