//! A body that is there as a whole, and so costs no more to read.

use std::{
    convert::Infallible,
    mem,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tonic::{Status, codegen::BoxFuture};
use tower::Service;

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

/// A service whose answers are whole: what it answers is read to its end first.
#[derive(Debug, Clone)]
pub struct AnswerWhole<S>(S);

impl<S> AnswerWhole<S> {
    /// With this service's answers.
    pub fn new(inner: S) -> Self {
        Self(inner)
    }
}

impl<S, B, R> Service<Request<B>> for AnswerWhole<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
    S::Future: Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<Whole>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Whole>, Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let called = self.0.call(request);
        Box::pin(async move {
            let Ok(response) = called.await;
            let (head, body) = response.into_parts();
            Ok(match read(body).await {
                Ok(whole) => Response::from_parts(head, whole),
                Err(cause) => cause.response(),
            })
        })
    }
}

async fn read<B: Body<Data = Bytes>>(body: B) -> Result<Whole, Cause> {
    let mut body = pin!(body);
    let mut whole = Whole::default();
    while let Some(frame) = body.frame().await {
        match frame.map_err(|_| Cause::BrokenAnswer)?.into_data() {
            Ok(data) => whole.push(data),
            Err(frame) => whole.trailers = frame.into_trailers().ok(),
        }
    }
    Ok(whole)
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
