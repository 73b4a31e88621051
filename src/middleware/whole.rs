//! A body that is there as a whole, and so costs no more to read.

use std::{
    mem,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tonic::Status;

use super::Cause;

/// The one message of a unary call, with its prefix, or the one of its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whole {
    /// Flag, length and message ("Length-Prefixed-Message" in the gRPC HTTP/2
    /// protocol).
    pub data: Bytes,
    /// What comes after the message of an answer.
    pub trailers: Option<HeaderMap>,
}

impl Whole {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// Where it breaks off.
    pub async fn read<B: Body<Data = Bytes>>(body: B) -> Result<Self, Cause> {
        let mut body = pin!(body);
        let mut whole = Self::default();
        while let Some(frame) = body.frame().await {
            match frame.map_err(|_| Cause::BrokenAnswer)?.into_data() {
                Ok(data) => whole.push(data),
                Err(frame) => whole.trailers = frame.into_trailers().ok(),
            }
        }
        Ok(whole)
    }

    /// What comes in one piece, as almost everything does, is not copied.
    pub(super) fn push(&mut self, data: Bytes) {
        if self.data.is_empty() {
            self.data = data;
            return;
        }
        let mut both = mem::take(&mut self.data)
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        both.extend_from_slice(&data);
        self.data = both.freeze();
    }
}

// Without a size hint: a content-length would be one more header to send.
impl Body for Whole {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = if self.data.is_empty() {
            self.trailers.take().map(Frame::trailers)
        } else {
            Some(Frame::data(mem::take(&mut self.data)))
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none()
    }
}
