//! A header block whose frames have not all arrived.

/// The fragments of a header block, in one piece.
#[derive(Debug)]
pub(super) struct Fragments {
    pub(super) stream: u32,
    /// Whether the request ends with the block.
    pub(super) is_end: bool,
    pub(super) bytes: Vec<u8>,
}

impl Fragments {
    /// Returns how many bytes have arrived.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}
