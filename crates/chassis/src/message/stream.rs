//! The messages of a client-streaming or bidirectional request.

use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};
use tonic::Status;
use wire::encoding::Encoding;
use wire::framing::{COMPRESSED, NOT_COMPRESSED, PREFIX, announced_length};

use super::{
    compression::{self, Decompression},
    memory::MessageMemory,
    read::wrong_flag,
};
use crate::{body::Body, call::Call, cause::Cause, http2::MemoryKind};

/// The frames of a request, whose messages are checked against the limit as they arrive,
/// and decompressed.
///
/// Data of messages that are not compressed passes through without being copied or held.
pub(crate) struct CheckedMessages {
    body: Body,
    encoding: Option<Encoding>,
    call: Arc<Call>,
    state: State,
    /// Data that has arrived and is not checked yet. It is checked message by message, so that no
    /// more than one message is decompressed at a time.
    pending: Bytes,
    ready: VecDeque<Bytes>,
    /// The memory of the message that is arriving, or that was read last.
    memory: MessageMemory,
    /// How many bytes of this message have arrived.
    arrived: usize,
}

enum State {
    /// A prefix is not complete yet.
    Prefix(BytesMut),
    /// This many bytes of an uncompressed message are still to come.
    Plain(usize),
    /// A compressed message of this length is not complete yet.
    Compressed(usize, BytesMut),
    /// A compressed message is complete.
    Decompressing(Decompression),
    /// The body has ended or failed.
    Ended,
}

impl CheckedMessages {
    pub(crate) fn new(body: Body, encoding: Option<Encoding>, call: Arc<Call>) -> Self {
        Self {
            body,
            encoding,
            call,
            state: State::Prefix(BytesMut::new()),
            pending: Bytes::new(),
            ready: VecDeque::new(),
            memory: MessageMemory::default(),
            arrived: 0,
        }
    }

    /// Checks pending data until some of it is ready.
    fn check_pending(&mut self) -> Result<(), Cause> {
        while !self.pending.is_empty() && self.ready.is_empty() {
            let data = &mut self.pending;
            self.state = match mem::replace(&mut self.state, State::Ended) {
                State::Prefix(mut partial) => {
                    let missing = (PREFIX - partial.len()).min(data.len());
                    partial.extend_from_slice(&data.split_to(missing));
                    match announced_length(&partial) {
                        None => State::Prefix(partial),
                        Some(length) => self.begin(&partial.freeze(), length)?,
                    }
                }
                State::Plain(left) => {
                    let part = data.split_to(left.min(data.len()));
                    self.arrived += part.len();
                    self.memory.grow_to(self.arrived, MemoryKind::Messages, &self.call)?;
                    let left = left - part.len();
                    self.ready.push_back(part);
                    if left == 0 { State::Prefix(BytesMut::new()) } else { State::Plain(left) }
                }
                State::Compressed(length, mut message) => {
                    let missing = (length - message.len()).min(data.len());
                    let needed = message.len() + missing;
                    self.memory.make_room(
                        &mut message,
                        needed,
                        length,
                        MemoryKind::Messages,
                        &self.call,
                    )?;
                    message.extend_from_slice(&data.split_to(missing));
                    if message.len() == length {
                        self.decompress(message.freeze())
                    } else {
                        State::Compressed(length, message)
                    }
                }
                waiting @ (State::Decompressing(_) | State::Ended) => {
                    self.state = waiting;
                    return Ok(());
                }
            };
        }
        Ok(())
    }

    /// Begins a message with this prefix.
    fn begin(&mut self, read: &Bytes, length: usize) -> Result<State, Cause> {
        let limit = self.call.message_limit();
        if length > limit {
            return Err(Cause::MessageTooLarge { size: length, limit });
        }
        self.call.add_message_in();
        // The handler has read the previous message.
        self.memory.clear();
        self.arrived = 0;
        match read[0] {
            NOT_COMPRESSED => {
                self.ready.push_back(read.clone());
                Ok(if length == 0 { State::Prefix(BytesMut::new()) } else { State::Plain(length) })
            }
            COMPRESSED if self.encoding.is_some() && length > 0 => {
                Ok(State::Compressed(length, BytesMut::new()))
            }
            flag => Err(wrong_flag(flag)),
        }
    }

    fn decompress(&self, message: Bytes) -> State {
        let encoding = self.encoding.expect("`begin` checks that there is one");
        State::Decompressing(compression::decompress(encoding, message, &self.call))
    }

    fn end(&mut self) -> Result<(), Cause> {
        match mem::replace(&mut self.state, State::Ended) {
            State::Prefix(partial) if partial.is_empty() => Ok(()),
            State::Ended => Ok(()),
            _ => Err(Cause::IncompleteMessage),
        }
    }
}

impl HttpBody for CheckedMessages {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if let Some(data) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if matches!(self.state, State::Ended) {
                return Poll::Ready(None);
            }
            if self.call.poll_response_ended(cx).is_ready() {
                return self.fail(Status::aborted("the response of the call has ended"));
            }
            let checked = if let State::Decompressing(message) = &mut self.state {
                let message = ready!(Pin::new(message).poll(cx));
                self.state = State::Prefix(BytesMut::new());
                message.map(|message| self.ready.push_back(message))
            } else if self.pending.is_empty() {
                match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                    None => self.end(),
                    Some(Ok(frame)) => {
                        // A request has no trailers in gRPC.
                        self.pending = frame.into_data().unwrap_or_default();
                        self.call.add_bytes_in(self.pending.len());
                        Ok(())
                    }
                    Some(Err(error)) => match Cause::of_body_error(&error) {
                        Cause::BrokenRequest => {
                            self.call.set_request_broken();
                            // Not CANCELLED, which tonic's `Streaming` takes for the end of the
                            // stream: a handler must not commit an upload that broke off.
                            return self.fail(Status::aborted("the request broke off"));
                        }
                        cause => return self.fail(cause.status()),
                    },
                }
            } else {
                self.check_pending()
            };
            if let Err(cause) = checked {
                return self.fail(cause.status());
            }
        }
    }
}

impl CheckedMessages {
    /// Ends the messages with an error, and drops the body of the request.
    fn fail(&mut self, status: Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.state = State::Ended;
        self.body = Body::empty();
        self.pending.clear();
        self.ready.clear();
        self.memory.clear();
        Poll::Ready(Some(Err(status)))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream::iter};
    use http_body_util::{BodyExt, StreamBody};
    use tonic::Code;
    use wire::framing::prefix;

    use super::*;
    use crate::{compute, testing};

    fn cpus() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    async fn checked(
        chunks: &[&[u8]],
        encoding: Option<Encoding>,
        limit: usize,
    ) -> (Result<Vec<u8>, Code>, u64) {
        let frame = |chunk: &&[u8]| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(chunk)));
        let body = StreamBody::new(iter(chunks.iter().map(frame).collect::<Vec<_>>()));
        let call = Arc::new(testing::call_with_limit(limit));
        let messages = CheckedMessages::new(Body::stream(body), encoding, Arc::clone(&call));
        let collected = messages.collect().await;
        let read = collected.map(|read| read.to_bytes().to_vec()).map_err(|status| status.code());
        (read, call.messages_in())
    }

    async fn compressed(message: &[u8]) -> Vec<u8> {
        compression::compress(Encoding::Gzip, message.to_vec()).await
    }

    #[tokio::test]
    async fn messages_pass_whatever_frames_they_are_split_into() {
        let plain = [0, 0, 0, 0, 3, 1, 2, 3];
        let empty = [0, 0, 0, 0, 0];
        let sent = [&plain[..], &compressed(&[7; 100]).await, &empty, &plain].concat();
        let expected =
            [&plain[..], &prefix(NOT_COMPRESSED, 100), &[7; 100], &empty, &plain].concat();
        for size in 1..=sent.len() {
            let chunks: Vec<_> = sent.chunks(size).collect();
            let (read, count) = checked(&chunks, Some(Encoding::Gzip), 100).await;
            assert_eq!((read, count), (Ok(expected.clone()), 4), "{size}");
        }
    }

    #[tokio::test]
    async fn each_message_is_checked_against_the_limit() {
        let fits = [0, 0, 0, 0, 3, 1, 2, 3];
        let chunks: [&[u8]; 2] = [&fits, &[0, 0, 0, 0, 4]];
        let (read, count) = checked(&chunks, None, 3).await;
        assert_eq!((read, count), (Err(Code::ResourceExhausted), 1));
        let bomb = compressed(&[0; 1000]).await;
        let (read, _) = checked(&[&bomb], Some(Encoding::Gzip), 999).await;
        assert_eq!(read, Err(Code::ResourceExhausted));
    }

    #[tokio::test]
    async fn an_incomplete_message_and_a_wrong_flag_are_internal() {
        for sent in [&[0, 0][..], &[0, 0, 0, 0, 2, 1], &[1, 0, 0, 0, 1, 1], &[9, 0, 0, 0, 0]] {
            let (read, _) = checked(&[sent], None, 9).await;
            assert_eq!(read, Err(Code::Internal), "{sent:?}");
        }
    }

    #[tokio::test]
    async fn no_more_than_one_message_is_decompressed_at_a_time() {
        let bomb = compressed(&[0; 100_000]).await;
        let sent: Vec<u8> = bomb.iter().copied().cycle().take(100 * bomb.len()).collect();
        let frame = Ok::<_, Status>(Frame::data(Bytes::from(sent)));
        let body = Body::stream(StreamBody::new(iter([frame])));
        let call = Arc::new(testing::call_with_limit(100_000));
        let mut messages = CheckedMessages::new(body, Some(Encoding::Gzip), Arc::clone(&call));
        messages.frame().await.expect("a message").expect("no error");
        assert_eq!(call.messages_in(), 1);
        let rest = messages.collect().await.expect("no error").to_bytes();
        assert_eq!((call.messages_in(), rest.len()), (100, 99 * (PREFIX + 100_000)));
    }

    #[tokio::test]
    async fn a_large_message_is_decompressed_elsewhere_until_the_response_ends() {
        let frame = Ok::<_, Status>(Frame::data(Bytes::from(compressed(&[0; 1 << 20]).await)));
        let body = Body::stream(StreamBody::new(iter([frame])));
        let call = Arc::new(testing::call_with_limit(1 << 20));
        let mut messages = CheckedMessages::new(body, Some(Encoding::Gzip), Arc::clone(&call));
        // All threads are busy, so that the message waits.
        let busy = || compute::run(|| |wanted: &compute::Wanted<'_>| while wanted.check() {});
        let mut busy: Vec<_> = (0..cpus()).map(|_| busy()).collect();
        assert!(busy.iter_mut().all(|busy| busy.now_or_never().is_none()));
        let mut frame = tokio_test::task::spawn(messages.frame());
        tokio_test::assert_pending!(frame.poll());
        call.end_response();
        let ended = tokio_test::assert_ready!(frame.poll()).expect("an error");
        assert_eq!(ended.expect_err("the response has ended").code(), Code::Aborted);
    }

    #[tokio::test]
    async fn a_request_that_breaks_off_is_an_error_for_the_handler_and_not_the_end() {
        let broken = Err::<Frame<Bytes>, _>(Status::cancelled("the peer is gone"));
        let body = Body::stream(StreamBody::new(iter([broken])));
        let call = Arc::new(testing::call());
        let error = CheckedMessages::new(body, None, Arc::clone(&call)).collect().await;
        assert_eq!(error.expect_err("it broke off").code(), Code::Aborted);
        assert_eq!(call.code(), Code::Cancelled);
    }

    #[tokio::test]
    async fn the_messages_end_with_the_response() {
        let never = futures_util::stream::pending::<Result<Frame<Bytes>, Status>>();
        let body = Body::stream(StreamBody::new(never));
        let call = Arc::new(testing::call());
        let mut messages = CheckedMessages::new(body, None, Arc::clone(&call));
        let mut frame = tokio_test::task::spawn(messages.frame());
        tokio_test::assert_pending!(frame.poll());
        call.end_response();
        assert!(frame.is_woken());
        let ended = tokio_test::assert_ready!(frame.poll()).expect("an error");
        assert_eq!(ended.expect_err("the response has ended").code(), Code::Aborted);
    }
}
