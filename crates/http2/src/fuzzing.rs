//! The header compression, for the fuzz targets of the judge. Not a part of the interface.

use http::{HeaderMap, StatusCode};

use crate::{
    hpack::{self, AuthorityValue, Entry, Field},
    violation::Violation,
};

/// A field of a decoded block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The name, or `None` if no request may have it.
    pub name: Option<&'a str>,
    /// The value, or `None` if it is malformed.
    pub value: Option<&'a [u8]>,
    /// The size in the table, in bytes.
    pub size: usize,
}

impl<'a> From<&'a Entry> for Decoded<'a> {
    fn from(entry: &'a Entry) -> Self {
        let (name, value) = match &entry.field {
            Field::Method(value) => {
                (Some(":method"), value.as_ref().map(|at| at.as_str().as_bytes()))
            }
            Field::Scheme(value) => {
                (Some(":scheme"), value.as_ref().map(|at| at.as_str().as_bytes()))
            }
            Field::Path(value) => (Some(":path"), value.as_ref().map(|at| at.as_str().as_bytes())),
            Field::Authority(value) => (Some(":authority"), value.as_ref().map(authority)),
            Field::Header(name, value) => {
                (Some(name.as_str()), value.as_ref().map(|at| at.as_bytes()))
            }
            Field::BadName => (None, None),
        };
        Self { name, value, size: entry.size() }
    }
}

fn authority(value: &AuthorityValue) -> &[u8] {
    match value {
        AuthorityValue::Authority(authority) => authority.as_str().as_bytes(),
        AuthorityValue::Other(value) => value.as_bytes(),
    }
}

/// The decoder of a connection.
#[derive(Debug)]
pub struct Decoder(hpack::Decoder);

impl Default for Decoder {
    fn default() -> Self {
        Self(hpack::Decoder::new())
    }
}

impl Decoder {
    /// Passes each field of a block to `on_field`.
    ///
    /// # Errors
    ///
    /// Returns what is wrong if the block is not valid.
    pub fn decode(
        &mut self,
        block: &[u8],
        mut on_field: impl FnMut(Decoded<'_>),
    ) -> Result<(), String> {
        let decoded = self.0.decode(block, |entry| on_field(Decoded::from(entry)));
        decoded.map_err(|violation| match violation {
            Violation::Connection(reason, what) => format!("{reason}: {what}"),
            Violation::Stream(reason) => reason.to_string(),
        })
    }
}

/// The encoder of a connection.
#[derive(Debug)]
pub struct Encoder(hpack::Encoder);

impl Default for Encoder {
    fn default() -> Self {
        Self(hpack::Encoder::new())
    }
}

impl Encoder {
    /// Takes the peer's SETTINGS_HEADER_TABLE_SIZE.
    pub fn set_limit(&mut self, limit: usize) {
        self.0.set_limit(limit);
    }

    /// Returns the block of a response's head.
    pub fn head(&mut self, status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
        let mut block = Vec::new();
        self.0.head(&mut block, status, headers);
        block
    }

    /// Returns the block of trailers.
    pub fn trailers(&mut self, trailers: &HeaderMap) -> Vec<u8> {
        let mut block = Vec::new();
        self.0.trailers(&mut block, trailers);
        block
    }
}
