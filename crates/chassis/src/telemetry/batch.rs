//! Lines that are written together.

use std::mem;

/// Lines, and how much of them is written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    text: Vec<u8>,
    /// Where each line ends in the text.
    ends: Vec<usize>,
    /// The bytes that are written.
    start: usize,
    /// The lines that are written whole.
    done: usize,
}

impl Batch {
    pub(super) fn push(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.ends.push(self.text.len());
    }

    /// Returns the size of the text in bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Returns how many lines are not written whole.
    pub(super) fn lines(&self) -> usize {
        self.ends.len() - self.done
    }

    /// Moves the lines of `other`, of which none is written, to the end.
    pub(super) fn append(&mut self, other: &mut Self) {
        if self.lines() == 0 {
            mem::swap(self, other);
            return;
        }
        let before = self.text.len();
        self.ends.extend(other.ends.iter().map(|end| before + end));
        self.text.append(&mut other.text);
        other.clear(usize::MAX);
    }

    /// Returns what to write next: whole lines of at most `most` bytes, or a single line, or the
    /// rest of one. Empty if all is written.
    pub(super) fn next(&self, most: usize) -> &[u8] {
        let ends = &self.ends[self.done..];
        let fitting = ends.partition_point(|end| end - self.start <= most);
        ends.get(fitting.saturating_sub(1)).map_or(&[], |&end| &self.text[self.start..end])
    }

    /// Records that the next `bytes` are written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.start += bytes;
        self.done += self.ends[self.done..].partition_point(|&end| end <= self.start);
    }

    /// Drops the lines that are not written, except for the one of which a part is. Returns how
    /// many were dropped.
    pub(super) fn keep_begun(&mut self) -> usize {
        let line = self.done.checked_sub(1).map_or(0, |last| self.ends[last]);
        let kept = usize::from(self.start > line);
        let dropped = self.lines() - kept;
        if kept == 0 {
            self.clear(usize::MAX);
        } else {
            let end = self.ends[self.done];
            self.text.truncate(end);
            self.text.drain(..line);
            self.ends.clear();
            self.ends.push(end - line);
            self.start -= line;
            self.done = 0;
        }
        dropped
    }

    /// Removes all lines, and returns memory above `capacity` bytes.
    pub(super) fn clear(&mut self, capacity: usize) {
        self.text.clear();
        self.ends.clear();
        self.text.shrink_to(capacity);
        self.ends.shrink_to(capacity / size_of::<usize>());
        (self.start, self.done) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(lines: &[&str]) -> Batch {
        let mut batch = Batch::default();
        lines.iter().for_each(|line| batch.push(line.as_bytes()));
        batch
    }

    #[test]
    fn whole_lines_are_written_together_up_to_the_limit() {
        let mut batch = batch(&["a\n", "bb\n", "long line\n", "c\n"]);
        for (next, lines) in [("a\nbb\n", 2), ("long line\n", 1), ("c\n", 0)] {
            assert_eq!(batch.next(5), next.as_bytes());
            batch.wrote(next.len());
            assert_eq!(batch.lines(), lines);
        }
        assert_eq!(batch.next(5), b"");
    }

    #[test]
    fn the_rest_of_a_line_is_written_before_other_lines() {
        let mut torn = batch(&["first\n", "second\n", "third\n"]);
        torn.wrote("first\nsec".len());
        assert_eq!(torn.keep_begun(), 1);
        assert_eq!(torn.lines(), 1);
        // It is still not possible to write.
        assert_eq!(torn.keep_begun(), 0);
        torn.append(&mut batch(&["fourth\n"]));
        assert_eq!(torn.next(usize::MAX), b"ond\nfourth\n");
        assert_eq!(torn.lines(), 2);
        torn.wrote(4);
        // Nothing of the last line is written.
        assert_eq!(torn.keep_begun(), 1);
        assert_eq!((torn.lines(), torn.next(9)), (0, &b""[..]));
    }
}
