//! Header blocks, in every encoding of a field (RFC 7541, section 6).

use super::step::State;
use crate::{
    choices::Choices,
    frame::{
        CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PADDED, PRIORITY_FLAG, frame, integer,
        literal,
    },
};

/// The number of entries in the static table (RFC 7541, appendix A).
const STATIC: usize = 61;

/// `www.example.com` in Huffman code (RFC 7541, appendix C.4.1).
const HUFFMAN: [u8; 12] = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];

/// A header block, and the size of its fields in a header list (RFC 9113, section 6.5.2).
#[derive(Debug, Default)]
pub(super) struct Block(pub(super) Vec<u8>, pub(super) usize);

/// Returns the size of a field in a header list.
fn size(name: &str, value_length: usize) -> usize {
    name.len() + value_length + 32
}

impl Block {
    /// Adds a field, in one of the encodings.
    pub(super) fn field(
        &mut self,
        choices: &mut Choices<'_>,
        state: &mut State,
        name: &str,
        value: &str,
    ) {
        let mut field = literal(name, value);
        match choices.below(4) {
            // With incremental indexing (section 6.2.1).
            1 => {
                field[0] = 0x40;
                state.indexed.push((!name.starts_with(':'), size(name, value.len())));
            }
            // Never indexed (section 6.2.3).
            2 => field[0] = 0x10,
            _ => {}
        }
        self.0.extend(field);
        self.1 += size(name, value.len());
    }

    /// Adds a regular field of the dynamic table by its index. The newest has the lowest index.
    pub(super) fn indexed(&mut self, choices: &mut Choices<'_>, state: &State) {
        let newest = state.indexed.iter().rev().take(20).enumerate();
        let regular: Vec<(usize, usize)> = newest
            .filter_map(|(at, (is_regular, size))| is_regular.then_some((at, *size)))
            .collect();
        if !regular.is_empty() {
            let (at, size) = choices.pick(&regular);
            integer(&mut self.0, 0x80, 7, STATIC + 1 + at);
            self.1 += size;
        }
    }

    /// Adds a field with a value of this length, which is not indexed.
    pub(super) fn large(&mut self, length: usize) {
        self.0.extend(literal("x-large", "l".repeat(length)));
        self.1 += size("x-large", length);
    }

    /// Adds a field whose value is in Huffman code.
    pub(super) fn huffman(&mut self, name: &str) {
        let length = name.len();
        self.0.push(0);
        integer(&mut self.0, 0, 7, length);
        self.0.extend(name.as_bytes());
        integer(&mut self.0, 0x80, 7, HUFFMAN.len());
        self.0.extend(HUFFMAN);
        self.1 += size(name, "www.example.com".len());
    }

    /// Returns the block as HEADERS and CONTINUATION.
    pub(super) fn frames(&self, choices: &mut Choices<'_>, stream: u32, is_end: bool) -> Vec<u8> {
        /// The longest fragment, so that there is room for padding.
        const MOST: usize = 16_000;

        let mut flags = if is_end { END_STREAM } else { 0 };
        let block = &self.0;
        if block.len() > MOST {
            let (first, rest) = block.split_at(MOST);
            let mut bytes = frame(HEADERS, flags, stream, first);
            let count = rest.len().div_ceil(MOST);
            for (index, fragment) in rest.chunks(MOST).enumerate() {
                let flags = if index + 1 == count { END_HEADERS } else { 0 };
                bytes.extend(frame(CONTINUATION, flags, stream, fragment));
            }
            return bytes;
        }
        let (first, rest) = if choices.one_in(5) {
            block.split_at(choices.below(block.len() + 1))
        } else {
            flags |= END_HEADERS;
            (&block[..], &[][..])
        };
        let mut payload = first.to_vec();
        if choices.one_in(8) {
            flags |= PRIORITY_FLAG;
            payload.splice(..0, [0x80, 0, 0, 0, choices.byte()]);
        }
        if choices.one_in(8) {
            flags |= PADDED;
            let padding = choices.byte();
            payload.insert(0, padding);
            payload.extend(vec![0; usize::from(padding)]);
        }
        let mut bytes = frame(HEADERS, flags, stream, &payload);
        if flags & END_HEADERS == 0 {
            let (second, third) = rest.split_at(choices.below(rest.len() + 1));
            bytes.extend(frame(CONTINUATION, 0, stream, second));
            bytes.extend(frame(CONTINUATION, END_HEADERS, stream, third));
        }
        bytes
    }
}
