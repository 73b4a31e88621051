//! Converts the messages of a body one by one.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use tokio::time::Instant;
use tonic::Status;
use wire::{
    encoding::Encoding,
    framing::{PREFIX, announced_length},
};

use crate::{
    body::Body,
    call::Call,
    cause::Cause,
    http2::{MemoryKind, ResponseBody},
    message::{MessageMemory, compression},
};

/// Converts a message with this flag. The result has a prefix.
pub(super) type Convert = Box<dyn Fn(u8, Bytes) -> Converting + Send>;

pub(super) type Converting = BoxFuture<'static, Result<Bytes, Cause>>;

type Polled = Option<Result<Frame<Bytes>, Status>>;

/// Decompresses a message of a client that does not speak gRPC. An empty one is never compressed.
///
/// # Errors
///
/// Returns [`Cause::InvalidRequest`] if it is not valid, or the cause for a limit that it exceeds.
pub(super) async fn decompressed(
    encoding: Encoding,
    message: Bytes,
    call: &Call,
) -> Result<Bytes, Cause> {
    if message.is_empty() {
        return Ok(message);
    }
    match compression::decompress(encoding, message, call).await {
        Ok(framed) => Ok(framed.slice(PREFIX..)),
        Err(Cause::MalformedMessage(problem)) => Err(Cause::InvalidRequest(problem)),
        Err(cause) => Err(cause),
    }
}

/// A body whose messages are converted, each when it is complete.
pub(super) struct Converted {
    body: Body,
    call: Arc<Call>,
    /// The largest message, in bytes.
    limit: usize,
    kind: MemoryKind,
    convert: Convert,
    arrived: BytesMut,
    memory: MessageMemory,
    converting: Option<Converting>,
    /// The trailers, the error or the end that follows the messages that have arrived.
    end: Option<Polled>,
}

impl Converted {
    /// Returns the messages of a request, which have a limit.
    pub(super) fn of_request(body: Body, call: Arc<Call>, convert: Convert) -> Self {
        let limit = call.message_limit();
        Self::new(body, call, limit, MemoryKind::Messages, convert)
    }

    /// Returns the messages of a response.
    pub(super) fn of_response(body: Body, call: Arc<Call>, convert: Convert) -> Self {
        Self::new(body, call, usize::MAX, MemoryKind::Responses, convert)
    }

    fn new(body: Body, call: Arc<Call>, limit: usize, kind: MemoryKind, convert: Convert) -> Self {
        Self {
            body,
            call,
            limit,
            kind,
            convert,
            arrived: BytesMut::new(),
            memory: MessageMemory::default(),
            converting: None,
            end: None,
        }
    }

    /// Begins to convert the next message if it is complete. Returns whether it is.
    fn begin(&mut self) -> Result<bool, Cause> {
        let Some(length) = announced_length(&self.arrived) else { return Ok(false) };
        if length > self.limit {
            return Err(Cause::MessageTooLarge { size: length, limit: self.limit });
        }
        if self.arrived.len() < PREFIX + length {
            return Ok(false);
        }
        let prefix = self.arrived.split_to(PREFIX);
        let message = self.arrived.split_to(length).freeze();
        let message = self.memory.attach_to(message);
        self.converting = Some((self.convert)(prefix[0], message));
        Ok(true)
    }

    fn add(&mut self, data: &[u8]) -> Result<(), Cause> {
        let needed = self.arrived.len() + data.len();
        self.memory.make_room(&mut self.arrived, needed, usize::MAX, self.kind, &self.call)?;
        self.arrived.extend_from_slice(data);
        Ok(())
    }

    fn fail(&mut self, cause: Cause) -> Poll<Polled> {
        self.arrived.clear();
        self.end = Some(None);
        Poll::Ready(Some(Err(cause.body_error())))
    }
}

impl HttpBody for Converted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Polled> {
        loop {
            if let Some(converting) = &mut self.converting {
                let converted = ready!(converting.as_mut().poll(cx));
                self.converting = None;
                match converted {
                    Ok(message) => return Poll::Ready(Some(Ok(Frame::data(message)))),
                    Err(cause) => return self.fail(cause),
                }
            }
            match self.begin() {
                Ok(true) => continue,
                Ok(false) => {}
                Err(cause) => return self.fail(cause),
            }
            if let Some(end) = self.end.take() {
                if !self.arrived.is_empty() && !matches!(end, Some(Err(_))) {
                    return self.fail(Cause::IncompleteMessage);
                }
                self.end = Some(None);
                return Poll::Ready(end);
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) if frame.is_data() => {
                    let data = frame.into_data().unwrap_or_default();
                    if let Err(cause) = self.add(&data) {
                        return self.fail(cause);
                    }
                }
                end => self.end = Some(end),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.end, Some(None)) && self.arrived.is_empty() && self.converting.is_none()
    }
}

impl ResponseBody for Converted {
    fn is_complete(&self) -> bool {
        false
    }

    fn poll_early_end(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        blocked_since: Option<Instant>,
    ) -> Poll<HeaderMap> {
        Pin::new(&mut self.body).poll_early_end(cx, blocked_since)
    }
}
