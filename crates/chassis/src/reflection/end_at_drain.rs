//! A request body that ends when the server begins to drain.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tonic::Status;

use crate::{
    body::Body,
    lifecycle::{Lifecycle, State},
};

/// The frames of a body, until the drain.
pub(super) struct EndAtDrain {
    body: Body,
    draining: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl EndAtDrain {
    pub(super) fn new(body: Body, lifecycle: Lifecycle) -> Self {
        let draining = Box::pin(async move { lifecycle.reached(State::Draining).await });
        Self { body, draining }
    }
}

impl HttpBody for EndAtDrain {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        // What has arrived is read first.
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        self.draining.as_mut().poll(cx).map(|()| None)
    }
}
