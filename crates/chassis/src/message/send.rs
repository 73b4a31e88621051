//! The messages of a response.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, future::Either, stream::empty};
use http_body::{Body as HttpBody, Frame};
use pin_project_lite::pin_project;
use prost::Message;
use tonic::Status;
use wire::encoding::Encoding;
use wire::framing::{NOT_COMPRESSED, PREFIX, framed, prefix};

use super::{compression, memory::MessageMemory};
use crate::{
    body::Body,
    call::Call,
    cause::{Cause, trailers},
    compute::Computation,
    http2::MemoryKind,
};

/// Messages that are ready together are sent together, up to this many bytes.
const BATCH: usize = 32 * 1024;

/// Returns the body of a response with one message, compressed if there is an encoding.
///
/// # Errors
///
/// Returns [`Cause::NoMemory`] if the memory budget has no room for it.
#[inline]
pub(crate) fn send_one(
    message: &impl Message,
    encoding: Option<Encoding>,
    call: Arc<Call>,
) -> Result<Body, Cause> {
    call.add_message_out();
    let mut memory = MessageMemory::default();
    memory.grow_to(PREFIX + message.encoded_len(), MemoryKind::Responses, &call)?;
    Ok(match encoding {
        None => Body::response(memory.attach_to(framed(message))),
        Some(encoding) => send_one_compressed(message.encode_to_vec(), encoding, call, memory),
    })
}

fn send_one_compressed(
    message: Vec<u8>,
    encoding: Encoding,
    call: Arc<Call>,
    mut memory: MessageMemory,
) -> Body {
    match compression::compress(encoding, message) {
        Either::Left(compressed) => {
            let mut compressed = compressed.into_inner();
            compression::compact(&mut compressed);
            Body::response(memory.attach_to(compressed.into()))
        }
        Either::Right(compressing) => {
            let none = empty::<Result<(), Status>>();
            let mut messages = SendMessages::new(none, Some(encoding), call);
            messages.compressing = Some(Compressing { message: compressing, memory });
            Body::stream(messages)
        }
    }
}

/// Appends a message with its prefix. If another thread has to compress the message, returns that
/// computation instead.
fn append(
    message: &impl Message,
    encoding: Option<Encoding>,
    out: &mut BytesMut,
) -> Option<Computation<Vec<u8>>> {
    let Some(encoding) = encoding else {
        let length = message.encoded_len();
        out.reserve(PREFIX + length);
        out.put_slice(&prefix(NOT_COMPRESSED, length));
        message.encode(out).expect("the buffer grows");
        return None;
    };
    match compression::compress(encoding, message.encode_to_vec()) {
        Either::Left(compressed) => out.extend_from_slice(&compressed.into_inner()),
        Either::Right(compressing) => return Some(compressing),
    }
    None
}

/// A message that is being compressed on another thread, and its memory.
struct Compressing {
    message: Computation<Vec<u8>>,
    memory: MessageMemory,
}

pin_project! {
    /// The body of a streaming response: its messages, and the status in its trailers.
    ///
    /// A message is sent as soon as the handler has produced it. The handler is polled for
    /// the next one only when the client has room for it (HTTP/2 flow control).
    pub(crate) struct SendMessages<S> {
        #[pin]
        messages: S,
        encoding: Option<Encoding>,
        call: Arc<Call>,
        buffer: BytesMut,
        // The memory that is reserved for the buffer.
        memory: MessageMemory,
        // A message that follows those in the buffer. The handler is not polled meanwhile.
        compressing: Option<Compressing>,
        // The status that ended the messages. It is sent after all of them.
        status: Option<Status>,
        ended: bool,
    }
}

impl<S> SendMessages<S> {
    pub(crate) fn new(messages: S, encoding: Option<Encoding>, call: Arc<Call>) -> Self {
        let buffer = BytesMut::new();
        let memory = MessageMemory::default();
        Self {
            messages,
            encoding,
            call,
            buffer,
            memory,
            compressing: None,
            status: None,
            ended: false,
        }
    }
}

impl<S, M> HttpBody for SendMessages<S>
where
    S: Stream<Item = Result<M, Status>>,
    M: Message,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut this = self.project();
        while !*this.ended
            && this.status.is_none()
            && this.compressing.is_none()
            && this.buffer.len() < BATCH
        {
            match this.messages.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    let needed = this.buffer.len() + PREFIX + message.encoded_len();
                    if let Err(cause) =
                        this.memory.grow_to(needed, MemoryKind::Responses, this.call)
                    {
                        *this.status = Some(cause.status());
                        break;
                    }
                    let compressing = append(&message, *this.encoding, this.buffer);
                    *this.compressing = compressing.map(|message| {
                        let memory = this.memory.split_off(this.buffer.len());
                        Compressing { message, memory }
                    });
                    this.call.add_message_out();
                }
                Poll::Ready(Some(Err(status))) => *this.status = Some(status),
                Poll::Ready(None) => *this.status = Some(Status::ok("")),
                Poll::Pending if this.buffer.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(if !this.buffer.is_empty() {
            // The whole buffer is taken, because capacity that stays in it would not be counted.
            let data = mem::take(this.buffer).freeze();
            Some(Ok(Frame::data(this.memory.attach_to(data))))
        } else if let Some(compressing) = this.compressing {
            let mut message = ready!(Pin::new(&mut compressing.message).poll(cx));
            compression::compact(&mut message);
            compressing.memory.shrink_to(message.len());
            let data = compressing.memory.attach_to(message.into());
            *this.compressing = None;
            Some(Ok(Frame::data(data)))
        } else if let Some(status) = this.status.take() {
            *this.ended = true;
            Some(Ok(Frame::trailers(trailers(&status))))
        } else {
            None
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll::{Pending, Ready};

    use futures_util::StreamExt;
    use futures_util::stream::{iter, pending, poll_fn};
    use http_body_util::BodyExt;
    use tokio_test::{assert_pending, assert_ready};
    use wire::framing::announced_length;

    use super::*;
    use crate::testing;

    fn body<S>(messages: S) -> SendMessages<S> {
        SendMessages::new(messages, None, Arc::new(testing::call_with_limit(9)))
    }

    #[tokio::test]
    async fn a_message_is_sent_before_the_next_one_is_ready() {
        let messages = iter([Ok("one".to_owned())]).chain(pending());
        let mut body = Box::pin(body(messages));
        let mut frame = tokio_test::task::spawn(body.frame());
        let sent = assert_ready!(frame.poll()).expect("a frame").expect("no error");
        assert_eq!(sent.into_data().expect("data"), framed(&"one".to_owned()));
        drop(frame);
        assert_pending!(tokio_test::task::spawn(body.frame()).poll());
    }

    #[tokio::test]
    async fn an_error_ends_the_stream_with_its_status_after_the_messages_before_it() {
        let messages = iter([Ok("one".to_owned()), Err(Status::aborted("no more"))]);
        let sent = body(messages).collect().await.expect("the status is in the trailers");
        assert_eq!(sent.trailers().expect("trailers")["grpc-status"], "10");
        assert_eq!(sent.to_bytes(), framed(&"one".to_owned()));
    }

    #[tokio::test]
    async fn the_handler_is_not_polled_for_more_than_a_batch() {
        let mut produced = 0;
        let messages = poll_fn(move |_| {
            produced += 1;
            assert!(produced <= 2, "the batch is full");
            if produced == 3 { Pending } else { Ready(Some(Ok("x".repeat(BATCH / 2)))) }
        });
        let mut body = Box::pin(body(messages));
        let sent = body.frame().await.expect("a frame").expect("no error");
        assert!(sent.into_data().expect("data").len() >= BATCH);
    }

    #[tokio::test]
    async fn a_large_message_is_compressed_elsewhere_and_keeps_its_place() {
        let large = "x".repeat(1 << 20);
        let texts = ["one", &large, &large, "two", &large];
        let messages = iter(texts.map(|text| Ok(text.to_owned())));
        let gzip = Some(Encoding::Gzip);
        let mut body = SendMessages::new(messages, gzip, Arc::new(testing::call()));
        let mut frame = tokio_test::task::spawn(body.frame());
        let first = assert_ready!(frame.poll()).expect("a frame").expect("no error");
        let first = first.into_data().expect("data");
        assert_eq!(announced_length(&first).map(|length| PREFIX + length), Some(first.len()));
        drop(frame);
        let rest = body.collect().await.expect("no error");
        assert_eq!(rest.trailers().expect("trailers")["grpc-status"], "0");
        let rest = rest.to_bytes();
        let (sent, mut received) = ([&first[..], &rest].concat(), Vec::new());
        let mut sent = &sent[..];
        while let Some(length) = announced_length(sent) {
            let compressed = Bytes::copy_from_slice(&sent[PREFIX..PREFIX + length]);
            let message = compression::decompress(
                Encoding::Gzip,
                compressed,
                &testing::call_with_limit(2 << 20),
            )
            .await;
            received.push(String::decode(&message.expect("valid")[PREFIX..]).expect("valid"));
            sent = &sent[PREFIX + length..];
        }
        assert_eq!(received, texts);
    }

    #[tokio::test]
    async fn one_large_message_is_compressed_elsewhere_and_counted_once() {
        let call = Arc::new(testing::call());
        let message = "x".repeat(1 << 20);
        let mut body =
            send_one(&message, Some(Encoding::Zstd), Arc::clone(&call)).expect("there is room");
        assert!(body.as_message().is_none());
        body.complete().await.expect("no error");
        let sent = body.collect().await.expect("no error");
        assert_eq!(sent.trailers().expect("trailers")["grpc-status"], "0");
        let compressed = sent.to_bytes().slice(PREFIX..);
        let back =
            compression::decompress(Encoding::Zstd, compressed, &testing::call_with_limit(2 << 20))
                .await;
        assert_eq!(String::decode(&back.expect("valid")[PREFIX..]), Ok(message));
        assert_eq!(call.messages_out(), 1);
    }
}
