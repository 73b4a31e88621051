//! HPACK (RFC 7541) for a peer that checks the server: a strict decoder, and an encoder for each
//! representation of a field.

mod decoder;
pub mod encode;
pub mod huffman;
mod static_table;

pub use decoder::{Decoder, Field};
pub use static_table::STATIC_TABLE;
