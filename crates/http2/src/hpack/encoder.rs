//! Encoding header blocks (RFC 7541, section 6).
//!
//! The first value of each name is added to the dynamic table; fields with other values are sent
//! as literals that refer to the name. So a field that all responses share costs one byte,
//! and a value that changes with every response evicts nothing.
//!
//! Strings are not compressed with the Huffman code: values that repeat are indexed, and the
//! rest is too short to be worth the time.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{
    integer,
    size::{DEFAULT_TABLE_SIZE, FIELD_OVERHEAD},
    static_table,
    table::Table,
};

/// The longest value that is added to the table, in bytes: a long one would evict many entries.
const MAX_INDEXED_VALUE: usize = 128;

/// The encoder of a connection.
#[derive(Debug)]
pub(crate) struct Encoder {
    table: Table<(HeaderName, HeaderValue)>,
    /// The smallest limit of the table since the last block, if the limit has changed. The next
    /// block announces it.
    smallest: Option<usize>,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self { table: Table::new(DEFAULT_TABLE_SIZE), smallest: None }
    }

    /// Takes the peer's SETTINGS_HEADER_TABLE_SIZE. No more than [`DEFAULT_TABLE_SIZE`] is used.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        let limit = limit.min(DEFAULT_TABLE_SIZE);
        if limit != self.table.limit() {
            self.table.set_limit(limit);
            self.smallest = Some(self.smallest.map_or(limit, |smallest| smallest.min(limit)));
        }
    }

    /// Returns the memory that the table takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.table.memory()
    }

    /// Adds the block of a response's head.
    pub(crate) fn head(&mut self, out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap) {
        self.announce_size(out);
        if let Some(index) = static_table::index_of_status(status.as_u16()) {
            integer::put(out, 0x80, 7, index);
        } else {
            integer::put(out, 0, 4, static_table::index_of_status(200).expect("it has 200"));
            put_string(out, status.as_str().as_bytes());
        }
        self.fields(out, headers);
    }

    /// Adds the block of trailers.
    pub(crate) fn trailers(&mut self, out: &mut Vec<u8>, trailers: &HeaderMap) {
        self.announce_size(out);
        self.fields(out, trailers);
    }

    fn announce_size(&mut self, out: &mut Vec<u8>) {
        let Some(smallest) = self.smallest.take() else { return };
        // Both the smallest and the last size are sent (RFC 7541, section 4.2).
        let limit = self.table.limit();
        if smallest < limit {
            integer::put(out, 0x20, 5, smallest);
        }
        integer::put(out, 0x20, 5, limit);
    }

    fn fields(&mut self, out: &mut Vec<u8>, headers: &HeaderMap) {
        for (name, value) in headers {
            self.field(out, name, value);
        }
    }

    fn field(&mut self, out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
        let known = self.table.iter().position(|(at, _)| at == name);
        if let Some(position) = known {
            let index = position + static_table::LENGTH + 1;
            let is_same = self.table.get(position).is_some_and(|(_, at)| at == value);
            // The block must not show whether a secret is in the table (RFC 7541, section 7.1).
            if is_same && !value.is_sensitive() {
                integer::put(out, 0x80, 7, index);
            } else {
                put_literal(out, Some(index), name, value);
            }
            return;
        }
        let index = static_table::index_of(name.as_str());
        if value.is_sensitive() || value.len() > MAX_INDEXED_VALUE {
            put_literal(out, index, name, value);
            return;
        }
        integer::put(out, 0x40, 6, index.unwrap_or(0));
        if index.is_none() {
            put_string(out, name.as_str().as_bytes());
        }
        put_string(out, value.as_bytes());
        let size = name.as_str().len() + value.len() + FIELD_OVERHEAD;
        self.table.insert((name.clone(), value.clone()), size);
    }
}

/// Adds a literal without indexing, or never indexed if the value is sensitive: then no proxy may
/// index it either (RFC 7541, section 6.2.3).
fn put_literal(out: &mut Vec<u8>, index: Option<usize>, name: &HeaderName, value: &HeaderValue) {
    let first = if value.is_sensitive() { 0x10 } else { 0 };
    integer::put(out, first, 4, index.unwrap_or(0));
    if index.is_none() {
        put_string(out, name.as_str().as_bytes());
    }
    put_string(out, value.as_bytes());
}

fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    integer::put(out, 0, 7, text.len());
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hpack::{Decoder, Field};

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let parse = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(parse).collect()
    }

    fn decode(decoder: &mut Decoder, block: &[u8]) -> HeaderMap {
        let mut decoded = HeaderMap::new();
        let fields = decoder.decode(block, |entry| {
            if let Field::Header(name, Some(value)) = &entry.field {
                decoded.append(name, value.clone());
            }
        });
        fields.expect("the block is valid");
        decoded
    }

    #[test]
    fn a_decoded_block_has_the_fields_that_were_encoded() {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        let long: &'static str = "x".repeat(500).leak();
        for fields in [
            &[("content-type", "application/grpc"), ("x-own", "1")][..],
            &[("content-type", "application/grpc"), ("x-own", "2"), ("x-own", "1")],
            &[("content-type", "text/plain"), ("x-long", long)],
            &[("x-long", long), ("x-empty", "")],
        ] {
            let fields = headers(fields);
            let mut block = Vec::new();
            encoder.head(&mut block, StatusCode::OK, &fields);
            assert_eq!(decode(&mut decoder, &block), fields);
        }
    }

    #[test]
    fn fields_that_repeat_cost_a_byte() {
        let mut encoder = Encoder::new();
        let fields = headers(&[("content-type", "application/grpc")]);
        encoder.head(&mut Vec::new(), StatusCode::OK, &fields);
        let mut block = Vec::new();
        encoder.head(&mut block, StatusCode::OK, &fields);
        assert_eq!(block, [0x88, 0xbe]);
    }

    #[test]
    fn a_sensitive_value_is_never_indexed() {
        let mut encoder = Encoder::new();
        let mut fields = headers(&[("authorization", "secret")]);
        fields.get_mut("authorization").expect("it is there").set_sensitive(true);
        for _ in 0..2 {
            let mut block = Vec::new();
            encoder.trailers(&mut block, &fields);
            assert_eq!(block[0] & 0xf0, 0x10);
        }
    }

    #[test]
    fn the_peer_is_told_the_smallest_and_the_last_size() {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        let fields = headers(&[("x-own", "1")]);
        let mut block = Vec::new();
        encoder.trailers(&mut block, &fields);
        decode(&mut decoder, &block);
        for limit in [0, 1 << 20] {
            encoder.set_limit(limit);
        }
        block.clear();
        encoder.trailers(&mut block, &fields);
        assert_eq!(block[..4], [0x20, 0x3f, 0xe1, 0x1f]);
        assert_eq!(decode(&mut decoder, &block), fields);
    }
}
