//! Buffers that the connections of a thread share. A connection that waits has none.

use std::{cell::RefCell, mem};

/// How much is read at a time, in bytes.
const READ: usize = 64 * 1024;

/// The largest output buffer that is kept, in bytes.
const MAX_KEPT_OUTPUT: usize = 128 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Takes the thread's buffer to read into.
///
/// The buffer is moved out and not borrowed, so that code that runs meanwhile may poll another
/// connection.
pub(super) fn take_read_buffer() -> Vec<u8> {
    let mut buffer = READ_BUFFER.with_borrow_mut(mem::take);
    buffer.resize(READ, 0);
    buffer
}

pub(super) fn return_read_buffer(buffer: Vec<u8>) {
    READ_BUFFER.with_borrow_mut(|place| *place = buffer);
}

/// Takes the thread's buffer for output, which is empty.
pub(super) fn take_output() -> Vec<u8> {
    OUTPUT.with_borrow_mut(mem::take)
}

/// Gives the thread's buffer for output back. It must be empty.
pub(super) fn return_output(buffer: Vec<u8>) {
    if buffer.capacity() <= MAX_KEPT_OUTPUT {
        OUTPUT.with_borrow_mut(|place| *place = buffer);
    }
}
