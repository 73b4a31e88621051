//! The request body of a call: complete at once, or a stream.

use std::{collections::VecDeque, future::poll_fn, mem, pin::Pin, task::Poll};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use tonic::{Status, body::Body};

/// How many bytes of a body are read ahead to find out whether it is complete. Larger bodies
/// are streams.
const READ_AHEAD: usize = 4 << 20;

/// The request body of a call.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// A body that is complete, and can be sent more than once.
    Buffered(Bytes),
    /// A body that is sent while it is produced.
    Streaming(StreamingBody),
    /// A streaming body that an attempt has taken.
    Consumed,
}

/// The frames of a body that were read ahead, and the rest of the body.
#[derive(Debug)]
pub(crate) struct StreamingBody {
    pub(crate) read_ahead: VecDeque<Bytes>,
    pub(crate) rest: Body,
}

impl RequestBody {
    /// Reads the part of a body that is ready. tonic encodes a single message without waiting,
    /// so that the body of a unary or server streaming call is complete.
    ///
    /// # Errors
    ///
    /// Returns the status that the body fails with, such as for a message that cannot be
    /// encoded.
    pub(crate) async fn read(mut body: Body) -> Result<Self, Status> {
        let mut frames = VecDeque::new();
        let mut length = 0;
        loop {
            let frame = poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
                Poll::Ready(frame) => Poll::Ready(Some(frame)),
                Poll::Pending => Poll::Ready(None),
            });
            match frame.await {
                Some(None) => return Ok(Self::Buffered(concatenated(frames))),
                Some(Some(frame)) => {
                    // A request has no trailers.
                    if let Ok(data) = frame?.into_data() {
                        // A single message is complete, whatever its size.
                        let is_beyond = length >= READ_AHEAD;
                        length += data.len();
                        frames.push_back(data);
                        if is_beyond {
                            break;
                        }
                    }
                }
                None => break,
            }
        }
        Ok(Self::Streaming(StreamingBody { read_ahead: frames, rest: body }))
    }

    /// Takes a streaming body, which is consumed afterwards.
    pub(crate) fn take_streaming(&mut self) -> Option<StreamingBody> {
        match mem::replace(self, Self::Consumed) {
            Self::Streaming(body) => Some(body),
            other => {
                *self = other;
                None
            }
        }
    }

    pub(crate) fn is_consumed(&self) -> bool {
        matches!(self, Self::Consumed)
    }
}

fn concatenated(mut frames: VecDeque<Bytes>) -> Bytes {
    if frames.len() <= 1 {
        return frames.pop_front().unwrap_or_default();
    }
    let mut bytes = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
    frames.iter().for_each(|frame| bytes.extend_from_slice(frame));
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    fn body(frames: Vec<Bytes>, ends: bool) -> Body {
        let frames = stream::iter(frames).map(|frame| Ok::<_, Status>(Frame::data(frame)));
        if ends {
            Body::new(StreamBody::new(frames))
        } else {
            Body::new(StreamBody::new(frames.chain(stream::pending())))
        }
    }

    fn zeros(length: usize) -> Bytes {
        Bytes::from(vec![0; length])
    }

    #[tokio::test]
    async fn a_body_that_is_complete_is_buffered() {
        let frames = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        let read = RequestBody::read(body(frames, true)).await.expect("no error");
        assert!(matches!(read, RequestBody::Buffered(bytes) if bytes == "onetwo"));
        let read = RequestBody::read(Body::empty()).await.expect("no error");
        assert!(matches!(read, RequestBody::Buffered(bytes) if bytes.is_empty()));
    }

    #[tokio::test]
    async fn a_single_large_message_is_buffered() {
        let read = RequestBody::read(body(vec![zeros(2 * READ_AHEAD)], true)).await;
        let read = read.expect("no error");
        assert!(matches!(read, RequestBody::Buffered(bytes) if bytes.len() == 2 * READ_AHEAD));
    }

    #[tokio::test]
    async fn a_body_that_is_not_ready_is_a_stream() {
        let read = RequestBody::read(body(vec![zeros(3)], false)).await.expect("no error");
        let RequestBody::Streaming(read) = read else { panic!("{read:?}") };
        assert_eq!(read.read_ahead, [zeros(3)]);
    }

    #[tokio::test]
    async fn a_long_body_is_a_stream_and_is_read_ahead_up_to_the_bound() {
        let part = 1 << 20;
        let read = RequestBody::read(body(vec![zeros(part); 100], true)).await.expect("no error");
        let RequestBody::Streaming(read) = read else { panic!("{read:?}") };
        let length: usize = read.read_ahead.iter().map(Bytes::len).sum();
        assert_eq!(length, READ_AHEAD + part);
    }

    #[tokio::test]
    async fn an_error_of_the_body_is_returned() {
        let failing = stream::iter([Err::<Frame<Bytes>, _>(Status::internal("cannot encode"))]);
        let read = RequestBody::read(Body::new(StreamBody::new(failing))).await;
        assert_eq!(read.expect_err("an error").message(), "cannot encode");
    }
}
