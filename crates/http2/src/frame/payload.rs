//! Parts of payloads that several types of frames have.

use super::head::{Head, flag};
use crate::violation::Violation;

/// Returns the payload of a DATA or HEADERS frame without its padding.
///
/// # Errors
///
/// Returns a connection error if the padding is longer than the payload (RFC 9113, section 6.1).
#[inline]
pub(crate) fn strip_padding(head: Head, payload: &[u8]) -> Result<&[u8], Violation> {
    if !head.has(flag::PADDED) {
        return Ok(payload);
    }
    let Some((&padding, rest)) = payload.split_first() else {
        return Err(Violation::frame_size("a padded frame without the length of its padding"));
    };
    let content = rest.len().checked_sub(padding.into());
    let content = content.ok_or(Violation::protocol("padding longer than its frame"))?;
    Ok(&rest[..content])
}

/// Returns the header block of a HEADERS frame without its padding, after its priority, which is
/// ignored (RFC 9113, section 5.3.2).
///
/// # Errors
///
/// Returns an error if the priority is not complete.
pub(crate) fn strip_priority(head: Head, block: &[u8]) -> Result<&[u8], Violation> {
    if !head.has(flag::PRIORITY) {
        return Ok(block);
    }
    let rest = block.split_at_checked(5).map(|(_priority, rest)| rest);
    rest.ok_or(Violation::frame_size("HEADERS too short for their priority"))
}

/// Returns the 31-bit number in four bytes. Ignores the first bit, which is reserved.
pub(crate) fn number(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) & 0x7fff_ffff
}
