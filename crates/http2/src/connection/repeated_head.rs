//! The head that a client sends again and again.
//!
//! Calls of one client to one method mostly have the same header block, byte for byte. If the
//! dynamic table has not changed either, the block decodes to the same head.

use crate::request::RequestHead;

/// The longest block that is remembered, in bytes.
const MAX_BLOCK: usize = 512;

/// The last header block of a request, and its head if the block has come twice.
#[derive(Debug, Default)]
pub(super) struct RepeatedHead {
    block: Vec<u8>,
    /// The version of the dynamic table with which the block was decoded.
    version: u64,
    /// `None` if the block has come only once: many clients never repeat one.
    head: Option<Box<RequestHead>>,
}

impl RepeatedHead {
    /// Returns the memory that it takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.block.capacity() + self.head.as_ref().map_or(0, |head| head.memory)
    }

    fn is(&self, block: &[u8], version: u64) -> bool {
        self.version == version && self.block == block
    }

    /// Returns the head of a block if it is known.
    pub(super) fn get(&self, block: &[u8], version: u64) -> Option<RequestHead> {
        let head = self.head.as_deref()?;
        self.is(block, version).then(|| head.clone())
    }

    /// Remembers a decoded block, which has not changed this version of the table.
    pub(super) fn remember(&mut self, block: &[u8], version: u64, head: &RequestHead) {
        if self.is(block, version) {
            self.head = Some(Box::new(head.clone()));
            return;
        }
        self.head = None;
        self.block.clear();
        if block.len() <= MAX_BLOCK {
            self.version = version;
            self.block.extend_from_slice(block);
        }
    }
}
