//! How deep messages may be nested.

use crate::problem::Problem;

/// How deep messages may be nested.
pub(super) const MAX_DEPTH: usize = 100;

/// Returns the depth that is left within a message.
///
/// # Errors
///
/// Returns an error if none is left.
pub(super) fn deeper(depth: usize) -> Result<usize, Problem> {
    depth
        .checked_sub(1)
        .ok_or_else(|| Problem::new(format!("messages are nested more than {MAX_DEPTH} deep")))
}
