//! Numbers that the specification gives.

/// The length of a frame's head in bytes.
pub(crate) const HEAD_LENGTH: usize = 9;

/// The longest payload that this side accepts, in bytes: the initial SETTINGS_MAX_FRAME_SIZE,
/// because this side never sends that setting (RFC 9113, section 4.2).
pub(crate) const MAX_PAYLOAD: usize = 16 * 1024;

/// The initial size of every flow-control window in bytes (RFC 9113, section 6.9.2).
pub(crate) const INITIAL_WINDOW: u32 = 65_535;

/// The largest flow-control window in bytes (RFC 9113, section 6.9.1).
pub(crate) const MAX_WINDOW: u32 = 0x7fff_ffff;

/// The largest stream identifier.
pub(crate) const MAX_STREAM: u32 = 0x7fff_ffff;
