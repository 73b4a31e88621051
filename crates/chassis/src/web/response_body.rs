//! The bodies of responses of other protocols, around the body of the response of gRPC. The call
//! lasts as long as the body of gRPC.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use tokio::time::Instant;
use tonic::Status;

use super::metadata;
use crate::{body::Body, call::Call, cause::trailers, http2::ResponseBody};

/// A body that is complete.
#[derive(Debug)]
pub(super) struct Complete {
    data: Bytes,
    /// The body of gRPC, all of which was read.
    of_grpc: Body,
    /// The call, if it has succeeded. Its status becomes OK when the data is sent, as in gRPC.
    succeeding: Option<Arc<Call>>,
}

impl Complete {
    pub(super) fn new(data: Bytes, of_grpc: Body, succeeding: Option<Arc<Call>>) -> Self {
        Self { data, of_grpc, succeeding }
    }
}

impl HttpBody for Complete {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(call) = self.succeeding.take() {
            call.set_ok();
        }
        let data = mem::take(&mut self.data);
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty()
    }
}

impl ResponseBody for Complete {
    fn is_complete(&self) -> bool {
        true
    }

    fn poll_early_end(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        blocked_since: Option<Instant>,
    ) -> Poll<HeaderMap> {
        Pin::new(&mut self.of_grpc).poll_early_end(cx, blocked_since)
    }
}

/// A body whose trailers are its last bytes: browsers give no trailers to a page.
pub(super) struct WithEnd<B> {
    body: B,
    call: Arc<Call>,
    /// Makes the last bytes from the trailers.
    end: fn(&HeaderMap) -> Bytes,
    /// Whether all of it is base64.
    is_text: bool,
    /// The trailers, if the response of gRPC had headers only.
    in_head: Option<HeaderMap>,
    is_over: bool,
}

impl<B: HttpBody<Data = Bytes, Error = Status> + Unpin> WithEnd<B> {
    /// Returns a body whose last bytes `end` makes. `in_head` has the trailers if the response of
    /// gRPC had headers only.
    pub(super) fn new(
        body: B,
        call: Arc<Call>,
        end: fn(&HeaderMap) -> Bytes,
        in_head: Option<HeaderMap>,
    ) -> Self {
        Self { body, call, end, is_text: false, in_head, is_over: false }
    }

    /// Returns the body with all of its bytes as base64.
    pub(super) fn into_text(self) -> Self {
        Self { is_text: true, ..self }
    }

    /// Returns data, or else the trailers.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, HeaderMap>> {
        if let Some(trailers) = self.in_head.take() {
            return Poll::Ready(Err(trailers));
        }
        let failed = |status: Status| {
            let trailers = trailers(&status);
            self.call.read_status(&trailers);
            trailers
        };
        Poll::Ready(match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                frame.into_data().map_err(|frame| frame.into_trailers().unwrap_or_default())
            }
            Some(Err(status)) => Err(failed(status)),
            None => Err(failed(metadata::status_of(&HeaderMap::new()))),
        })
    }
}

impl<B: HttpBody<Data = Bytes, Error = Status> + Unpin> HttpBody for WithEnd<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let bytes = ready!(self.poll_part(cx)).unwrap_or_else(|trailers| {
            self.is_over = true;
            (self.end)(&trailers)
        });
        let bytes = if self.is_text { STANDARD.encode(&bytes).into() } else { bytes };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }
}

impl<B: ResponseBody + HttpBody<Error = Status> + Unpin> ResponseBody for WithEnd<B> {
    fn is_complete(&self) -> bool {
        false
    }

    fn poll_early_end(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        blocked_since: Option<Instant>,
    ) -> Poll<HeaderMap> {
        // A client that reads gets the trailers as data, from `poll_frame`.
        if blocked_since.is_none() {
            return Poll::Pending;
        }
        Pin::new(&mut self.body).poll_early_end(cx, blocked_since)
    }
}
