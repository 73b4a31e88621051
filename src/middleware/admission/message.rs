//! The arrival of a request's one message.

use std::pin::pin;

use bytes::Bytes;
use http_body::Body as HttpBody;
use http_body_util::BodyExt;

use crate::{
    framing::PREFIX,
    middleware::{Cause, Whole},
    telemetry::Progress,
};

/// Reads the whole body of a unary request, of which there may be no more than
/// a message of `limit` bytes.
pub(super) async fn read<B>(body: B, limit: usize, progress: &Progress) -> Result<Whole, Cause>
where
    B: HttpBody<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut whole = Whole::default();
    // Most messages end with their last frame, and need not be asked for another.
    while !body.is_end_stream()
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|_| Cause::BrokenRequest)?;
        // Trailers: callers have none.
        let Ok(data) = frame.into_data() else { continue };
        progress.received(data.len());
        whole.push(data);
        let read = &whole.data;
        if let Some(length) = announced(read) {
            if length > limit {
                return Err(Cause::MessageTooLarge { size: length, limit });
            }
            if read.len() > PREFIX + length {
                return Err(Cause::NotOneMessage);
            }
        }
    }
    let read = &whole.data;
    if read.is_empty() {
        return Err(Cause::NotOneMessage);
    }
    if announced(read).is_none_or(|length| read.len() < PREFIX + length) {
        return Err(Cause::IncompleteMessage);
    }
    Ok(whole)
}

/// The length in the prefix, once it is there.
fn announced(read: &[u8]) -> Option<usize> {
    let length = read.get(1..PREFIX)?.try_into().expect("four bytes");
    usize::try_from(u32::from_be_bytes(length)).ok()
}

#[cfg(test)]
mod tests {
    use futures_util::stream::iter;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    async fn read_chunks(chunks: &[&[u8]], limit: usize) -> Result<Vec<u8>, Cause> {
        let frame = |chunk: &&[u8]| Ok::<_, Cause>(Frame::data(Bytes::copy_from_slice(chunk)));
        let body = StreamBody::new(iter(chunks.iter().map(frame).collect::<Vec<_>>()));
        Ok(read(body, limit, &Progress::default()).await?.data.to_vec())
    }

    #[tokio::test]
    async fn a_message_is_read_whole_however_it_is_cut() {
        let message = [0, 0, 0, 0, 3, 1, 2, 3];
        for size in 1..=message.len() {
            let chunks: Vec<_> = message.chunks(size).collect();
            assert_eq!(read_chunks(&chunks, 3).await, Ok(message.to_vec()));
        }
    }

    #[tokio::test]
    async fn a_message_past_the_limit_is_refused_at_its_prefix() {
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
    async fn none_and_two_are_not_one_message() {
        let one: &[u8] = &[0, 0, 0, 0, 1, 7];
        assert_eq!(read_chunks(&[], 9).await, Err(Cause::NotOneMessage));
        assert_eq!(read_chunks(&[one, one], 9).await, Err(Cause::NotOneMessage));
    }
}
