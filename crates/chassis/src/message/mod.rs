//! The messages in a body: read, checked against the limit, decompressed, compressed.

pub(crate) mod compression;
mod count;
mod memory;
mod read;
mod send;
mod stream;

pub(crate) use count::CountMessages;
pub(crate) use memory::MessageMemory;
pub(crate) use read::{decompressed, read_one, read_whole, wrong_flag};
pub(crate) use send::{SendMessages, send_one};
pub(crate) use stream::CheckedMessages;
