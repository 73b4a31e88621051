//! HPACK (RFC 7541), as a peer that checks the server needs it: a strict decoder, and the
//! representations of a script one by one.

mod decoder;
pub mod encode;
pub mod huffman;
mod static_table;

pub use decoder::{Decoder, Field};
pub use static_table::STATIC_TABLE;
