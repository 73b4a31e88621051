//! Limits that the settings do not have.

/// How many bytes of a stream's response wait for the windows, beside those of complete
/// responses.
pub(super) const MAX_PENDING: usize = 64 * 1024;

/// How many bytes of a response a task may send without asking again, even if they are more than
/// its part of the connection's window: most responses are not longer.
pub(super) const MIN_PART: usize = 4 * 1024;

/// How many bytes wait to be written before no more DATA is added.
pub(super) const MAX_DATA_OUTPUT: usize = 64 * 1024;

/// How many bytes wait to be written before nothing more is read: only responses to frames of
/// the peer and heads of responses get beyond [`MAX_DATA_OUTPUT`].
pub(super) const MAX_OUTPUT: usize = 128 * 1024;

/// The longest header block in its compressed form, in bytes, beside the limit for its fields:
/// one that is somewhat too large is answered, and does not end the connection.
pub(super) const MAX_BLOCK_EXCESS: usize = 64 * 1024;

/// The memory that a call takes beside the head and the body of its request, in bytes: the stream,
/// the futures of the middleware, a small body, and a small response.
pub(super) const CALL_MEMORY: usize = 12 * 1024;

/// The longest body that the memory of its call has room for, in bytes.
pub(super) const MAX_SMALL_BODY: usize = 4 * 1024;

/// How many bytes are read before other tasks have their turn.
pub(super) const MAX_READ_PER_TURN: usize = 256 * 1024;

/// How many bytes are written before other tasks have their turn.
pub(super) const MAX_WRITTEN_PER_TURN: usize = 1024 * 1024;

/// How many calls are polled before other tasks have their turn.
pub(super) const MAX_CALLS_PER_TURN: usize = 256;
