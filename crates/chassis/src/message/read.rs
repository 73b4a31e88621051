//! The one message of a unary or server-streaming request.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::future::{Either, ready};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use wire::encoding::Encoding;
use wire::framing::{COMPRESSED, NOT_COMPRESSED, PREFIX, announced_length};

use super::{
    compression::{self, Decompression},
    memory::MessageMemory,
};
use crate::{
    body::{Body, joined},
    call::Call,
    cause::Cause,
    http2::MemoryKind,
};

/// Reads the one message of a request. Returns it with its prefix, as it arrived. Its memory is
/// reserved in `memory`.
///
/// # Errors
///
/// Returns an error if there is not exactly one complete message, or if its prefix announces more
/// bytes than the limit of its method; then the rest is not read.
pub(crate) async fn read_one(
    body: &mut Body,
    call: &Call,
    memory: &mut MessageMemory,
) -> Result<Bytes, Cause> {
    let message = read_framed(body, call.message_limit(), call, memory).await?;
    call.add_message_in();
    Ok(message)
}

/// Reads the whole body of a request, which is one message without a prefix. Its memory is reserved
/// in `memory`. `announced` is its `content-length`, if it has one.
///
/// # Errors
///
/// Returns an error if it has more bytes than the limit of its method. If it announces them,
/// nothing is read.
pub(crate) async fn read_whole(
    body: &mut Body,
    announced: Option<usize>,
    call: &Call,
    memory: &mut MessageMemory,
) -> Result<Bytes, Cause> {
    let limit = call.message_limit();
    let mut size = announced.unwrap_or_default();
    let mut read = Bytes::new();
    if size > limit {
        return Err(Cause::MessageTooLarge { size, limit });
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Cause::of_body_error(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        size = read.len() + data.len();
        if size > limit {
            return Err(Cause::MessageTooLarge { size, limit });
        }
        memory.grow_to(2 * size, MemoryKind::Messages, call)?;
        read = joined(read, data);
    }
    Ok(read)
}

/// Decompresses a message. It begins with a prefix, as does the result.
///
/// # Errors
///
/// Returns an error if the compressed flag does not fit the encoding, if the message cannot be
/// decompressed, or if the decompressed message is over the limit of its method.
pub(crate) fn decompressed(
    mut message: Bytes,
    encoding: Option<Encoding>,
    call: &Call,
) -> Decompression {
    match (message[0], encoding) {
        (NOT_COMPRESSED, _) => Either::Left(ready(Ok(message))),
        (COMPRESSED, Some(encoding)) => {
            message.advance(PREFIX);
            compression::decompress(encoding, message, call)
        }
        (flag, _) => Either::Left(ready(Err(wrong_flag(flag)))),
    }
}

/// Returns the cause for a compressed flag that does not fit `grpc-encoding`.
pub(crate) fn wrong_flag(flag: u8) -> Cause {
    Cause::MalformedMessage(match flag {
        COMPRESSED => "the message is compressed, and the request names no encoding".to_owned(),
        flag => format!("the compressed flag is {flag}, and must be 0 or 1"),
    })
}

async fn read_framed(
    body: &mut Body,
    limit: usize,
    call: &Call,
    memory: &mut MessageMemory,
) -> Result<Bytes, Cause> {
    let mut read = Bytes::new();
    // Most bodies end with their last DATA frame, and need not be polled once more.
    while !body.is_end_stream()
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|error| Cause::of_body_error(&error))?;
        // A request has no trailers in gRPC.
        let Ok(data) = frame.into_data() else { continue };
        call.add_bytes_in(data.len());
        read = if read.is_empty() {
            memory.grow_to(data.len(), MemoryKind::Messages, call)?;
            data
        } else {
            join(read, &data, limit, call, memory)?
        };
        if let Some(length) = announced_length(&read) {
            if length > limit {
                return Err(Cause::MessageTooLarge { size: length, limit });
            }
            if read.len() > PREFIX + length {
                return Err(Cause::NotOneMessage);
            }
        }
    }
    if read.is_empty() {
        return Err(Cause::NotOneMessage);
    }
    if announced_length(&read).is_none_or(|length| read.len() < PREFIX + length) {
        return Err(Cause::IncompleteMessage);
    }
    Ok(read)
}

/// Returns both parts of a message, one after the other.
fn join(
    read: Bytes,
    more: &[u8],
    limit: usize,
    call: &Call,
    memory: &mut MessageMemory,
) -> Result<Bytes, Cause> {
    let needed = read.len() + more.len();
    let mut buffer =
        read.try_into_mut().unwrap_or_else(|shared: Bytes| BytesMut::from(&shared[..]));
    let whole = PREFIX + announced_length(&buffer).unwrap_or(limit).min(limit);
    memory.make_room(&mut buffer, needed, whole, MemoryKind::Messages, call)?;
    buffer.extend_from_slice(more);
    Ok(buffer.freeze())
}

#[cfg(test)]
mod tests {
    use futures_util::stream::iter;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tonic::Status;

    use super::*;
    use crate::testing;

    async fn read_chunks(chunks: &[&[u8]], limit: usize) -> Result<Vec<u8>, Cause> {
        let frame = |chunk: &&[u8]| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(chunk)));
        let body = StreamBody::new(iter(chunks.iter().map(frame).collect::<Vec<_>>()));
        let call = testing::call_with_limit(limit);
        let mut memory = MessageMemory::default();
        let message = read_one(&mut Body::stream(body), &call, &mut memory).await?;
        Ok(decompressed(message, None, &call).await?.to_vec())
    }

    #[tokio::test]
    async fn a_message_is_read_whatever_frames_it_is_split_into() {
        let message = [0, 0, 0, 0, 3, 1, 2, 3];
        for size in 1..=message.len() {
            let chunks: Vec<_> = message.chunks(size).collect();
            assert_eq!(read_chunks(&chunks, 3).await, Ok(message.to_vec()));
        }
    }

    #[tokio::test]
    async fn a_message_over_the_limit_is_refused_at_its_prefix() {
        let refusal = Err(Cause::MessageTooLarge { size: 4, limit: 3 });
        assert_eq!(read_chunks(&[&[0, 0, 0, 0, 4]], 3).await, refusal);
    }

    #[tokio::test]
    async fn a_message_that_ends_early_is_incomplete() {
        for cut in [&[0, 0, 0][..], &[0, 0, 0, 0, 3, 1, 2]] {
            assert_eq!(read_chunks(&[cut], 9).await, Err(Cause::IncompleteMessage));
        }
    }

    #[tokio::test]
    async fn no_message_and_two_messages_are_not_one_message() {
        let one: &[u8] = &[0, 0, 0, 0, 1, 7];
        assert_eq!(read_chunks(&[], 9).await, Err(Cause::NotOneMessage));
        assert_eq!(read_chunks(&[one, one], 9).await, Err(Cause::NotOneMessage));
    }

    #[tokio::test]
    async fn a_compressed_flag_without_an_encoding_is_malformed() {
        for flag in [1, 2, 255] {
            let read = read_chunks(&[&[flag, 0, 0, 0, 0]], 9).await;
            assert!(matches!(read, Err(Cause::MalformedMessage(_))), "{read:?}");
        }
    }
}
