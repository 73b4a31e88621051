//! The body of an answer, which ends at the call's deadline.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;

use super::{
    places::Place,
    status::{broken, too_late},
};
use crate::{incoming::Incoming, telemetry::ClientSpan};

/// What follows the head of an answer.
#[derive(Debug)]
pub struct AnswerBody {
    incoming: Incoming,
    _in_flight: Place,
    /// With the time that the call had until then.
    deadline: Option<(Instant, Duration)>,
    /// Most answers are there as a whole, and need none.
    timer: Option<Pin<Box<Sleep>>>,
    span: Option<ClientSpan>,
}

impl AnswerBody {
    /// It ends at that time: the call had so long.
    pub(super) fn new(
        incoming: Incoming,
        in_flight: Place,
        deadline: Option<(Instant, Duration)>,
    ) -> Self {
        Self { incoming, _in_flight: in_flight, deadline, timer: None, span: None }
    }

    /// The span ends with this body, and with the status in its trailers.
    pub(super) fn within(&mut self, span: ClientSpan) {
        self.span = Some(span);
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            let frame = frame.map(|frame| frame.map_err(|error| broken(&error)));
            if let Some(span) = &mut self.span {
                match &frame {
                    Some(Ok(frame)) => {
                        frame
                            .trailers_ref()
                            .into_iter()
                            .for_each(|trailers| span.read_status(trailers));
                    }
                    Some(Err(status)) => span.failed(status),
                    None => {}
                }
            }
            return Poll::Ready(frame);
        }
        let Self { deadline: Some((deadline, timeout)), timer, span, .. } = &mut *self else {
            return Poll::Pending;
        };
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(*deadline)));
        ready!(timer.as_mut().poll(cx));
        let status = too_late(*timeout);
        if let Some(span) = span {
            span.failed(&status);
        }
        Poll::Ready(Some(Err(status)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }
}
