//! The encodings of compressed messages (compression.md of gRPC).

use http::{HeaderName, HeaderValue};

/// The header with the encoding of the messages that follow.
pub const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// The header with the encodings that a peer reads.
pub const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// An encoding that both sides read and write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `gzip`
    Gzip,
    /// `zstd`
    Zstd,
}

impl Encoding {
    /// Returns the encoding with this name in `grpc-encoding`, or `None` if it is not
    /// supported.
    pub fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"gzip" => Some(Self::Gzip),
            b"zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Returns its name as the value of a header.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// The base 2 logarithm of 8 MiB, a window that every decoder of zstd should take (RFC 8878,
/// 3.1.1.1.2). A larger window is taken only if messages may be larger too.
const MIN_MAX_WINDOW_LOG: u32 = 23;

/// The base 2 logarithm of the largest window that zstd allows.
const MAX_WINDOW_LOG: u32 = 31;

/// Returns the base 2 logarithm of the largest window of zstd to take if messages have at most
/// `limit` bytes. It bounds the memory that a frame can make its decoder allocate.
pub fn window_log(limit: usize) -> u32 {
    limit.next_power_of_two().ilog2().clamp(MIN_MAX_WINDOW_LOG, MAX_WINDOW_LOG)
}
