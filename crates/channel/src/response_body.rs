//! The body of a response, which ends at the call's deadline.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Sleep, sleep_until};
use tonic::Status;
use wire::{receive::ReceiveBody, trace::ClientSpan};

use crate::{
    deadline::Deadline, status::from_h2_error, stream_limit::StreamPermit, upload::Upload,
};

/// The messages and the trailers of a response. The call is cancelled if it is dropped
/// before its end.
///
/// The default is an empty body. tonic makes one if an interceptor refuses a call.
#[derive(Debug, Default)]
pub struct ResponseBody {
    /// `None` if there was no response from a server.
    body: Option<ReceiveBody>,
    request: RequestState,
    deadline: Option<Deadline>,
    /// Made on the first wait. Most responses arrive at once and need none.
    timer: Option<Pin<Box<Sleep>>>,
    span: Option<ClientSpan>,
}

/// The request of a response. It holds the stream permit until the call has ended.
#[derive(Debug, Default)]
pub(crate) enum RequestState {
    /// It is sent.
    Sent { _permit: StreamPermit },
    /// It is a stream, which may still be sent.
    Uploading(Upload),
    /// It was a stream and the call has ended, or there is no request.
    #[default]
    Dropped,
}

impl RequestState {
    /// Stops the upload, because the call has ended and the rest of the request is not wanted.
    pub(crate) fn stop_upload(&mut self) {
        if let Self::Uploading(_) = self {
            *self = Self::Dropped;
        }
    }

    /// Returns the status of a call whose stream ended with this error.
    pub(crate) fn status(&self, error: &h2::Error) -> Status {
        match self {
            Self::Uploading(upload) => upload.status(error),
            Self::Sent { .. } | Self::Dropped => from_h2_error(error),
        }
    }
}

impl ResponseBody {
    pub(crate) fn new(
        body: ReceiveBody,
        request: RequestState,
        deadline: Option<Deadline>,
    ) -> Self {
        Self { body: Some(body), request, deadline, timer: None, span: None }
    }

    /// Ends the span with this body, with the status of its trailers.
    pub(crate) fn end_span(&mut self, span: ClientSpan) {
        self.span = Some(span);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            let status = |error| self.request.status(&error);
            return Poll::Ready(frame.map(|frame| frame.map_err(status)));
        }
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline.at)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(deadline.exceeded())))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(self.poll(cx));
        // A call ends with its trailers or with an error.
        let is_end = match &frame {
            Some(Ok(frame)) => frame.is_trailers() || self.is_end_stream(),
            Some(Err(_)) | None => true,
        };
        if is_end {
            self.request.stop_upload();
        }
        match (&mut self.span, &frame) {
            (Some(span), Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    span.read_status(trailers);
                }
            }
            (Some(span), Some(Err(status))) => span.failed(status),
            _ => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(ReceiveBody::is_end_stream)
    }
}

#[cfg(test)]
mod tests {
    use tokio_test::{assert_ready, task::spawn};

    use super::*;

    #[test]
    fn the_default_is_an_empty_body() {
        let mut body = ResponseBody::default();
        assert!(body.is_end_stream());
        let frame = spawn(()).enter(|cx, _| Pin::new(&mut body).poll_frame(cx));
        assert!(assert_ready!(frame).is_none());
    }
}
