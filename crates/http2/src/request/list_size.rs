//! The size of a list of fields, and its limits.

use crate::hpack::Entry;

/// The limits of a head, or of trailers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadLimits {
    /// The sizes of all fields together, in bytes.
    pub(crate) size: usize,
    /// The number of fields.
    pub(crate) fields: usize,
}

/// The memory that a field takes in a `HeaderMap` beside its name and its value, in bytes. A slot
/// has 104 bytes, and a map that has grown has up to two slots for each field.
const FIELD_MEMORY: usize = 208;

/// The number of fields in a list, and their total size.
#[derive(Debug)]
pub(super) struct ListSize {
    limits: HeadLimits,
    /// In bytes.
    size: usize,
    fields: usize,
}

impl ListSize {
    pub(super) fn new(limits: HeadLimits) -> Self {
        Self { limits, size: 0, fields: 0 }
    }

    /// Counts a field.
    pub(super) fn add(&mut self, entry: &Entry) {
        self.size += entry.size();
        self.fields += 1;
    }

    /// Returns the memory that the fields take in a map, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.size + self.fields * FIELD_MEMORY
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.size > self.limits.size || self.fields > self.limits.fields
    }
}
