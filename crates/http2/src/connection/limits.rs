//! Limits that are not settings.

/// The most bytes of a stream's response that wait for the windows.
pub(super) const MAX_PENDING: usize = 64 * 1024;

/// How many bytes of a response a task may send without asking again, even if they are more than
/// its part of the connection's window: most responses are not longer.
pub(super) const MIN_PART: usize = 4 * 1024;

/// How many bytes wait to be written before no more DATA is added.
pub(super) const MAX_DATA_OUTPUT: usize = 64 * 1024;

/// How many bytes wait to be written before nothing more is read. Only replies to frames of the
/// peer, and heads and trailers of responses are added beyond [`MAX_DATA_OUTPUT`].
pub(super) const MAX_OUTPUT: usize = 128 * 1024;

/// How much longer than the limit for its fields a compressed header block may be, in bytes. A
/// block that is only somewhat too large gets a response, and does not end the connection.
pub(super) const MAX_BLOCK_EXCESS: usize = 64 * 1024;

/// The memory that a call takes beside the head of its request, in bytes: the stream, the futures
/// of the middleware, a body of up to [`MAX_SMALL_BODY`], and a small response.
pub(super) const CALL_MEMORY: usize = 12 * 1024;

/// The longest body that is counted in [`CALL_MEMORY`], in bytes.
pub(super) const MAX_SMALL_BODY: usize = 4 * 1024;

/// How many bytes are read before other tasks have their turn.
pub(super) const MAX_READ_PER_TURN: usize = 256 * 1024;

/// How many bytes are written before other tasks have their turn.
pub(super) const MAX_WRITTEN_PER_TURN: usize = 1024 * 1024;

/// How many calls are polled before other tasks have their turn.
pub(super) const MAX_CALLS_PER_TURN: usize = 256;
