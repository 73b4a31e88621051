//! Writes JSON, in one line or with a line for each value.

use std::fmt::Write;

use wire::escape::Escaping;

/// JSON that is being written.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) text: String,
    is_pretty: bool,
    level: usize,
    is_first: bool,
}

impl Writer {
    pub(super) fn new(is_pretty: bool) -> Self {
        Self { text: String::new(), is_pretty, level: 0, is_first: true }
    }

    /// Begins an object or an array.
    pub(super) fn open(&mut self, bracket: char) {
        self.text.push(bracket);
        self.level += 1;
        self.is_first = true;
    }

    /// Ends an object or an array.
    pub(super) fn close(&mut self, bracket: char) {
        self.level -= 1;
        if !self.is_first {
            self.line();
        }
        self.text.push(bracket);
        self.is_first = false;
    }

    /// Begins an element of an array.
    pub(super) fn element(&mut self) {
        if !self.is_first {
            self.text.push(',');
        }
        self.is_first = false;
        self.line();
    }

    /// Begins a member of an object.
    pub(super) fn member(&mut self, name: &str) {
        self.raw_member(&quoted(name), "");
    }

    /// Writes a member of an object whose name and value are JSON already.
    pub(super) fn raw_member(&mut self, name: &str, value: &str) {
        self.element();
        self.text.push_str(name);
        self.text.push_str(if self.is_pretty { ": " } else { ":" });
        self.text.push_str(value);
    }

    /// Returns a writer for a value within the next object.
    pub(super) fn nested(&self) -> Self {
        Self {
            text: String::new(),
            is_pretty: self.is_pretty,
            level: self.level + 1,
            is_first: true,
        }
    }

    pub(super) fn string(&mut self, text: &str) {
        self.text.push('"');
        write_escaped(&mut self.text, text);
        self.text.push('"');
    }

    fn line(&mut self) {
        if self.is_pretty {
            self.text.push('\n');
            (0..self.level).for_each(|_| self.text.push_str("  "));
        }
    }
}

/// Returns a text as a string of JSON. Control characters are escaped, so that it is safe on a
/// terminal.
pub fn quoted(text: &str) -> String {
    let mut writer = Writer::new(false);
    writer.string(text);
    writer.text
}

fn write_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        Escaping(&mut *out).write_char(c).expect("a String takes every text");
    }
}
