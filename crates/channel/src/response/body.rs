//! The body of a response: valid messages and a status that can be read, until the call's deadline.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::time::{Sleep, sleep_until};
use tonic::{Code, Status};
use wire::{receive::ReceiveBody, trace::ClientSpan};

use super::{messages::Messages, status_fields};
use crate::{
    deadline::Deadline, endpoint_load::InFlight, headers::PREVIOUS_ATTEMPTS, limits::check_headers,
    status::from_h2_error, stream_limit::StreamPermit, upload::Upload,
};

/// The messages and the trailers of a response. The call is cancelled if it is dropped
/// before its end.
///
/// Each frame of data is one message with its prefix (see [`wire::framing`]), which is not
/// compressed. The body ends with trailers that have a status, or with an error.
///
/// The default is an empty body. tonic makes one if an interceptor refuses a call.
#[derive(Debug, Default)]
pub struct ResponseBody {
    /// `None` once the response has ended, or if there was none from a server.
    received: Option<(ReceiveBody, Messages)>,
    request: RequestState,
    deadline: Option<Deadline>,
    /// Made on the first wait. Most responses arrive at once and need none.
    timer: Option<Pin<Box<Sleep>>>,
    span: Option<ClientSpan>,
    in_flight: Option<InFlight>,
}

/// The request of a response. It holds the stream permit until the call has ended.
#[derive(Debug, Default)]
pub(crate) enum RequestState {
    /// All of it is sent.
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
    pub(super) fn new(
        body: ReceiveBody,
        messages: Messages,
        request: RequestState,
        deadline: Option<Deadline>,
    ) -> Self {
        Self { received: Some((body, messages)), request, deadline, ..Self::default() }
    }

    /// Returns the body of a response that has only headers.
    pub(super) fn ended(self) -> Self {
        Self { received: None, ..self }
    }

    /// Ends the span when this body ends, with the status of its trailers.
    pub(crate) fn end_span(&mut self, span: ClientSpan) {
        self.span = Some(span);
    }

    /// Ends the attempt when this body ends, with the outcome of its trailers.
    pub(crate) fn count(&mut self, in_flight: InFlight) {
        self.in_flight = Some(in_flight);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some((body, messages)) = &mut self.received else { return Poll::Ready(None) };
        loop {
            if let Some(message) = messages.next().transpose() {
                return Poll::Ready(Some(message.map(Frame::data)));
            }
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else { break };
            let frame = match frame {
                Some(Ok(frame)) => frame.into_data(),
                Some(Err(error)) => return Poll::Ready(Some(Err(self.request.status(&error)))),
                None => return Poll::Ready(Some(Err(without_status()))),
            };
            match frame {
                Ok(data) => messages.push(data),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let read = read_trailers(trailers, messages);
                    return Poll::Ready(Some(read.map(Frame::trailers)));
                }
            }
        }
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline.at)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(deadline.exceeded())))
    }
}

/// Returns the trailers of a response, or its status if they do not fit its messages.
fn read_trailers(mut trailers: HeaderMap, messages: &Messages) -> Result<HeaderMap, Status> {
    check_headers(&trailers, "trailers")?;
    trailers.remove(PREVIOUS_ATTEMPTS);
    status_fields::clean(&mut trailers);
    match status_fields::code(&trailers) {
        None => return Err(without_status()),
        Some(Code::Ok) => messages.end()?,
        Some(_) => {}
    }
    Ok(trailers)
}

fn without_status() -> Status {
    Status::unknown("the response ended without a status")
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
        let is_end = frame.as_ref().is_none_or(|frame| match frame {
            Ok(frame) => frame.is_trailers(),
            Err(_) => true,
        });
        if is_end {
            // This cancels a call that the server has not ended.
            self.received = None;
            self.request.stop_upload();
            if let Some(in_flight) = self.in_flight.take() {
                let trailers = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.trailers_ref());
                in_flight.end(trailers.is_some_and(status_fields::is_ok));
            }
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
        self.received.is_none()
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
