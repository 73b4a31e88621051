//! How a message stands in a body ("Length-Prefixed-Message" in the gRPC HTTP/2
//! protocol).

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

/// A flag, and the length of the message.
pub(crate) const PREFIX: usize = 5;
pub(crate) const NOT_COMPRESSED: u8 = 0;

/// The message as it is, behind its prefix.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut framed = BytesMut::with_capacity(PREFIX + length);
    framed.put_u8(NOT_COMPRESSED);
    framed.put_u32(u32::try_from(length).expect("the size of a message is limited"));
    message.encode(&mut framed).expect("there is room for it");
    framed.freeze()
}
