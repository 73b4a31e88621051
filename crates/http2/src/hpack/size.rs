//! Sizes of tables and fields.

/// The size of a dynamic table before SETTINGS_HEADER_TABLE_SIZE changes it, in bytes (RFC 9113,
/// section 6.5.2).
pub(crate) const DEFAULT_TABLE_SIZE: usize = 4096;

/// The part of a field's size beside its name and its value, in bytes (RFC 7541, section 4.1).
pub(crate) const FIELD_OVERHEAD: usize = 32;
