//! The answer of a unary call, as a whole.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tonic::Status;

use crate::middleware::Cause;

/// One message, and the trailers after it.
#[derive(Debug)]
pub(super) struct Answer {
    data: Bytes,
    trailers: Option<HeaderMap>,
}

impl Answer {
    pub(super) async fn read<B: Body<Data = Bytes>>(body: B) -> Result<Self, Cause> {
        let mut body = pin!(body);
        let mut answer = Self { data: Bytes::new(), trailers: None };
        while let Some(frame) = body.frame().await {
            match frame.map_err(|_| Cause::BrokenAnswer)?.into_data() {
                Ok(data) => answer.data = joined(answer.data, data),
                Err(frame) => answer.trailers = frame.into_trailers().ok(),
            }
        }
        Ok(answer)
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = if self.data.is_empty() {
            self.trailers.take().map(Frame::trailers)
        } else {
            Some(Frame::data(std::mem::take(&mut self.data)))
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.len() as u64)
    }
}

/// Both in a row. What comes in one piece, as almost everything does, is not copied.
pub(super) fn joined(first: Bytes, second: Bytes) -> Bytes {
    if first.is_empty() {
        return second;
    }
    let mut both = first.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    both.extend_from_slice(&second);
    both.freeze()
}
