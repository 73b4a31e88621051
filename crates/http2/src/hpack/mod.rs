//! HPACK: header fields, compressed with a table of earlier ones (RFC 7541).
//!
//! The entries of the tables are kept parsed, so that an indexed field costs only a clone.

mod decoder;
mod encoder;
mod field;
mod huffman;
mod huffman_code;
mod integer;
mod size;
mod static_table;
mod table;

pub(crate) use decoder::Decoder;
pub(crate) use encoder::Encoder;
pub(crate) use field::{AuthorityValue, CONNECTION_FIELDS, Entry, Field};
