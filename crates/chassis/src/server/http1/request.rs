//! The body of a request.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Request;
use http_body::{Body as HttpBody, Frame};
use hyper::body::Incoming;
use tonic::Status;

use crate::{body::Body, cause::Cause};

/// Returns the request with the body of the layers.
pub(super) fn received(request: Request<Incoming>) -> Request<Body> {
    request.map(
        |body| {
            if body.is_end_stream() { Body::empty() } else { Body::stream(Received(body)) }
        },
    )
}

struct Received(Incoming);

impl HttpBody for Received {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.0).poll_frame(cx);
        polled.map(|frame| frame.map(|frame| frame.map_err(|_| Cause::BrokenRequest.body_error())))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}
