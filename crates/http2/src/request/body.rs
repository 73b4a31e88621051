//! The body of a request.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{error::BodyError, inbound::Inbound};

/// The body of a request.
///
/// The bytes that are read are given back to the flow-control windows. If the body is dropped
/// before its end, the rest is discarded.
#[derive(Debug)]
pub struct RequestBody(Kind);

#[derive(Debug)]
enum Kind {
    /// All of it arrived with the head, and it has no trailers.
    Whole(Bytes),
    Arriving(Arc<Inbound>),
}

impl RequestBody {
    pub(crate) fn whole(data: Bytes) -> Self {
        Self(Kind::Whole(data))
    }

    pub(crate) fn arriving(inbound: Arc<Inbound>) -> Self {
        Self(Kind::Arriving(inbound))
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Kind::Arriving(inbound) = &self.0 {
            inbound.discard();
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Kind::Whole(data) if data.is_empty() => Poll::Ready(None),
            Kind::Whole(data) => Poll::Ready(Some(Ok(Frame::data(mem::take(data))))),
            Kind::Arriving(inbound) => inbound.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(data) => data.is_empty(),
            Kind::Arriving(inbound) => inbound.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(data) => SizeHint::with_exact(data.len() as u64),
            Kind::Arriving(_) => SizeHint::default(),
        }
    }
}
