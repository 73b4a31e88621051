//! One call: its deadline, its span and its attempts.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Request, Response, request::Parts};
use opentelemetry::Context;
use tokio::time::timeout_at;
use tonic::{Status, body::Body};
use wire::{parent::ParentCall, trace::ClientSpan};

use crate::{
    channel::Channel, deadline::Deadline, endpoint_load::Peer, headers::PREVIOUS_ATTEMPTS,
    request_body::RequestBody, response::ResponseBody, retry::Retries,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

pub(crate) type CallResult = Result<Response<ResponseBody>, Status>;

impl Channel {
    /// Sends a request whose message is already encoded, and bounds the call by `timeout`.
    ///
    /// It is for callers that send the same message many times. The message has its prefix
    /// (see [`wire::framing`]). The headers are sent as they are, with those that the channel
    /// adds to each attempt. There is no span. `peer` is set to the server of the
    /// last attempt.
    ///
    /// # Errors
    ///
    /// Returns the status of the call if there is no response.
    pub async fn send_encoded(
        &self,
        head: &Parts,
        message: Bytes,
        timeout: Duration,
        peer: &mut Option<Peer>,
    ) -> Result<Response<ResponseBody>, Status> {
        self.attempts(head, RequestBody::Buffered(message), Deadline::after(timeout), peer).await
    }

    pub(crate) async fn send(self, request: Request<Body>) -> CallResult {
        let (mut head, body) = request.into_parts();
        let parent = head.extensions.remove::<ParentCall>();
        let deadline = Deadline::of_call(self.timeout, &head.headers, parent.as_ref());
        let span = self.begin_span(&mut head, parent);
        let result = match RequestBody::read(body).await {
            Ok(body) => self.attempts(&head, body, deadline, &mut None).await,
            Err(status) => Err(status),
        };
        end_span(result, span)
    }

    /// Begins the span of the call, and adds the headers that it inherits.
    fn begin_span(&self, head: &mut Parts, parent: Option<ParentCall>) -> Option<ClientSpan> {
        let span = self.shared.tracing.as_ref().map(|tracing| {
            let current = Context::current();
            let context = parent.as_ref().map_or(&current, |parent| &parent.trace);
            let span = tracing.begin_client_span(head.uri.path(), context);
            span.inject(&mut head.headers);
            span
        });
        if let Some(ParentCall { request_id, traceparent, .. }) = parent {
            head.headers.entry(REQUEST_ID).or_insert(request_id);
            if let (None, Some(traceparent)) = (&span, traceparent) {
                head.headers.entry(TRACEPARENT).or_insert(traceparent);
            }
        }
        span
    }

    /// Makes the attempts of a call, until one decides its outcome or the deadline passes.
    async fn attempts(
        &self,
        head: &Parts,
        mut body: RequestBody,
        deadline: Option<Deadline>,
        peer: &mut Option<Peer>,
    ) -> CallResult {
        if let Some(deadline) = deadline.filter(Deadline::has_passed) {
            return Err(deadline.exceeded());
        }
        let at = deadline.map(|deadline| deadline.at);
        let mut retries = Retries::new(&self.shared.throttle, self.shared.max_attempts, at);
        let attempts = async {
            loop {
                let previous = retries.previous();
                let (result, verdict) =
                    self.attempt(head, &mut body, previous, deadline, peer).await;
                if body.is_consumed() {
                    retries.commit();
                }
                if !retries.next_attempt(verdict).await {
                    return result;
                }
            }
        };
        let mut result = match deadline {
            None => attempts.await,
            Some(deadline) => {
                let result = timeout_at(deadline.at, attempts).await;
                result.unwrap_or_else(|_elapsed| match peer {
                    Some(_) => Err(deadline.exceeded()),
                    None => Err(self.exceeded(deadline)),
                })
            }
        };
        if retries.previous() > 0 {
            add_previous_attempts(&mut result, retries.previous());
        }
        result
    }
}

fn end_span(mut result: CallResult, span: Option<ClientSpan>) -> CallResult {
    match (&mut result, span) {
        (Ok(response), Some(mut span)) => {
            span.read_status(response.headers());
            response.body_mut().end_span(span);
        }
        (Err(status), Some(mut span)) => span.failed(status),
        (_, None) => {}
    }
    result
}

fn add_previous_attempts(result: &mut CallResult, previous: u32) {
    match result {
        Ok(response) => {
            response.headers_mut().insert(PREVIOUS_ATTEMPTS, previous.into());
        }
        Err(status) => {
            let value = tonic::metadata::AsciiMetadataValue::from(previous);
            status.metadata_mut().insert(PREVIOUS_ATTEMPTS, value);
        }
    }
}
