//! Sizes as people write them.

use bytesize::ByteSize;

const MAX_SIZE: u64 = ByteSize::gib(1).as_u64();

/// Parses a size in bytes, such as `100` or `16KiB`.
///
/// # Errors
///
/// Returns the expected form if the text is not a size, or if the size is above 1 GiB.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let bytes = text.parse::<ByteSize>().ok().map(|size| size.as_u64());
    bytes
        .filter(|&bytes| bytes <= MAX_SIZE)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| "expected a size up to 1GiB, such as 100 or 16KiB".to_owned())
}
