//! The limits of a response.

use http::HeaderMap;
use tonic::Status;
use wire::framing::PREFIX;

/// The default size limit of a response message in bytes: that of gRPC, and room for what a
/// server adds to a message of that size.
pub const DEFAULT_MAX_MESSAGE: usize = (4 << 20) + (64 << 10);

/// The highest size limit of a message in bytes: such a message and its prefix have at most
/// `u32::MAX` bytes.
pub(crate) const LARGEST_MESSAGE: usize = u32::MAX as usize - PREFIX;

/// The size limit of the headers and of the trailers of a response in bytes, counted as HTTP/2
/// does (RFC 9113, section 6.5.2).
const MAX_HEADERS: usize = 16 << 10;

/// The size limit of headers and trailers in h2, in bytes. It is larger than [`MAX_HEADERS`],
/// because h2 truncates trailers above its limit without an error.
pub(crate) const HEADER_LIST: u32 = 1 << 20;

/// An extension of a request whose response must have exactly one message, as of a unary or client
/// streaming method.
///
/// A response without a message or with several is then UNIMPLEMENTED ("Status codes and their use
/// in gRPC": response cardinality violation). tonic's clients ignore all after the first message.
#[derive(Debug, Clone, Copy)]
pub struct OneMessage;

/// The limits of a response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The size limit of a message in bytes, compressed and decompressed.
    pub(crate) message: usize,
    /// Whether the response must have exactly one message.
    pub(crate) expects_one: bool,
}

/// Checks the size of headers or trailers.
///
/// # Errors
///
/// Returns RESOURCE_EXHAUSTED if they are larger than [`MAX_HEADERS`].
pub(crate) fn check_headers(headers: &HeaderMap, what: &str) -> Result<(), Status> {
    // The bytes that HTTP/2 counts for each field beside its name and its value.
    const FIELD: usize = 32;
    let size: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD).sum();
    if size <= MAX_HEADERS {
        return Ok(());
    }
    let limit = MAX_HEADERS;
    Err(Status::resource_exhausted(format!(
        "the {what} of the response have {size} bytes, and the limit is {limit}"
    )))
}
