//! The representations of a header block (RFC 7541, section 6).

use super::huffman;
use crate::frame::integer;

/// Returns an indexed field (section 6.1).
pub fn indexed(index: usize) -> Vec<u8> {
    number(0x80, 7, index)
}

/// Returns a literal that is added to the dynamic table (section 6.2.1).
pub fn insert(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![0x40], string(name), string(value)].concat()
}

/// Returns a literal with the name at `index`, added to the dynamic table (section 6.2.1).
pub fn insert_at(index: usize, value: impl AsRef<[u8]>) -> Vec<u8> {
    [number(0x40, 6, index), string(value)].concat()
}

/// Returns a literal with the name at `index`, without indexing (section 6.2.2).
pub fn literal_at(index: usize, value: impl AsRef<[u8]>) -> Vec<u8> {
    [number(0, 4, index), string(value)].concat()
}

/// Returns a literal that is never indexed (section 6.2.3).
pub fn never(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![0x10], string(name), string(value)].concat()
}

/// Returns a literal with the name at `index`, never indexed (section 6.2.3).
pub fn never_at(index: usize, value: impl AsRef<[u8]>) -> Vec<u8> {
    [number(0x10, 4, index), string(value)].concat()
}

/// Returns a dynamic table size update (section 6.3).
pub fn size_update(size: usize) -> Vec<u8> {
    number(0x20, 5, size)
}

/// Returns a string without Huffman code (section 5.2).
pub fn string(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [number(0, 7, bytes.len()), bytes.to_vec()].concat()
}

/// Returns a string with these bytes as its Huffman code (section 5.2).
pub fn coded(code: &[u8]) -> Vec<u8> {
    [number(0x80, 7, code.len()), code.to_vec()].concat()
}

/// Returns a string with Huffman code (section 5.2).
pub fn huffman(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    coded(&huffman::encode(bytes.as_ref()))
}

fn number(first: u8, bits: u32, value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    integer(&mut bytes, first, bits, value);
    bytes
}
