//! The one message of a unary or server-streaming request.

use bytes::Bytes;
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use wire::framing::{COMPRESSED, NOT_COMPRESSED, PREFIX, announced_length, prefix};

use super::compression;
use crate::{
    body::{Body, joined},
    call::Call,
    cause::Cause,
    encoding::Encoding,
};

/// Reads the one message of a request. Returns it with its prefix, as it arrived.
///
/// # Errors
///
/// Returns an error if there is not exactly one complete message, or if it has more than
/// the limit of its method: as its prefix says, before the rest is read.
pub(crate) async fn read_one(body: &mut Body, call: &Call) -> Result<Bytes, Cause> {
    let message = read_framed(body, call.message_limit(), call).await?;
    call.add_message_in();
    Ok(message)
}

/// Returns a message decompressed, with its prefix.
///
/// # Errors
///
/// Returns an error if the compressed flag does not fit the encoding, if the message cannot be
/// decompressed, or if it then has more than that limit.
pub(crate) fn decompressed(
    message: Bytes,
    encoding: Option<Encoding>,
    call: &Call,
) -> Result<Bytes, Cause> {
    match (message[0], encoding) {
        (NOT_COMPRESSED, _) => Ok(message),
        (COMPRESSED, Some(encoding)) => {
            let limit = call.message_limit();
            let plain = compression::decompress(encoding, &message[PREFIX..], limit)?;
            let prefix = prefix(NOT_COMPRESSED, plain.len());
            Ok(joined(Bytes::copy_from_slice(&prefix), plain))
        }
        (flag, _) => Err(wrong_flag(flag)),
    }
}

/// Returns the cause for a compressed flag that does not fit `grpc-encoding`.
pub(super) fn wrong_flag(flag: u8) -> Cause {
    Cause::MalformedMessage(match flag {
        COMPRESSED => "the message is compressed, and grpc-encoding is missing".to_owned(),
        flag => format!("the compressed flag is {flag}, and must be 0 or 1"),
    })
}

async fn read_framed(body: &mut Body, limit: usize, call: &Call) -> Result<Bytes, Cause> {
    let mut read = Bytes::new();
    // Most messages end with their last DATA frame, and need not be polled once more.
    while !body.is_end_stream()
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|_| Cause::BrokenRequest)?;
        // A request has no trailers in gRPC.
        let Ok(data) = frame.into_data() else { continue };
        call.add_bytes_in(data.len());
        read = joined(read, data);
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
        let message = read_one(&mut Body::stream(body), &call).await?;
        Ok(decompressed(message, None, &call)?.to_vec())
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
