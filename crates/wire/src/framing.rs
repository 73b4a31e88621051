//! The framing of a message in a body ("Length-Prefixed-Message" in the gRPC HTTP/2
//! protocol).

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

/// The size of the prefix in bytes: the compressed flag and the length of the message.
pub const PREFIX: usize = 5;
/// The compressed flag of a message that is not compressed.
pub const NOT_COMPRESSED: u8 = 0;
/// The compressed flag of a message that is compressed with the encoding in
/// `grpc-encoding`.
pub const COMPRESSED: u8 = 1;

/// Returns the uncompressed message with its prefix.
///
/// # Panics
///
/// Panics if the message has 4 GiB or more, which its length field cannot hold.
pub fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut framed = BytesMut::with_capacity(PREFIX + length);
    framed.put_slice(&prefix(NOT_COMPRESSED, length));
    message.encode(&mut framed).expect("the capacity is the encoded length");
    framed.freeze()
}

/// Returns the prefix of a message of `length` bytes.
///
/// # Panics
///
/// Panics if `length` is 4 GiB or more, which the length field cannot hold.
pub fn prefix(flag: u8, length: usize) -> [u8; PREFIX] {
    let length = u32::try_from(length).expect("a message is smaller than 4 GiB");
    let [a, b, c, d] = length.to_be_bytes();
    [flag, a, b, c, d]
}

/// Returns the length in the prefix that `bytes` begin with, or `None` if the prefix is
/// not complete.
pub fn announced_length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(1..PREFIX)?.try_into().expect("the range has four bytes");
    usize::try_from(u32::from_be_bytes(length)).ok()
}
