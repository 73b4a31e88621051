//! One call: its deadline, its span and its attempts.

use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderName, Request, Response, Uri, request::Parts};
use opentelemetry::Context;
use tokio::time::timeout_at;
use tonic::{Code, Status, body::Body};
use wire::{parent::ParentCall, trace::ClientSpan};

use crate::{
    channel::Channel,
    deadline::Deadline,
    endpoints::Subchannel,
    headers::{self, PREVIOUS_ATTEMPTS},
    limits::{Limits, OneMessage},
    request_body::RequestBody,
    response::{RequestState, ResponseBody, judge},
    retry::{Pushback, Retries, Verdict},
    sender::SendError,
    status::{from_h2_error, innermost, is_not_processed},
    upload::Upload,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

type CallResult = Result<Response<ResponseBody>, Status>;

impl Channel {
    /// Sends a request whose message is already encoded, and bounds the call by `timeout`.
    ///
    /// It is for callers that send the same message many times. The message has its prefix
    /// (see [`wire::framing`]). The headers are sent as they are, with those that the channel
    /// adds to each attempt. There is no span.
    ///
    /// # Errors
    ///
    /// Returns the status of the call if there is no response.
    pub async fn send_encoded(
        &self,
        head: &Parts,
        message: Bytes,
        timeout: Duration,
    ) -> Result<Response<ResponseBody>, Status> {
        self.attempts(head, RequestBody::Buffered(message), Deadline::after(timeout)).await
    }

    pub(crate) async fn send(self, request: Request<Body>) -> CallResult {
        let (mut head, body) = request.into_parts();
        let parent = head.extensions.remove::<ParentCall>();
        let deadline = Deadline::of_call(self.timeout, &head.headers, parent.as_ref());
        let span = self.begin_span(&mut head, parent);
        let result = match RequestBody::read(body).await {
            Ok(body) => self.attempts(&head, body, deadline).await,
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
    ) -> CallResult {
        if let Some(deadline) = deadline.filter(Deadline::has_passed) {
            return Err(deadline.exceeded());
        }
        let at = deadline.map(|deadline| deadline.at);
        let mut retries = Retries::new(&self.shared.throttle, self.shared.max_attempts, at);
        let attempts = async {
            loop {
                let previous = retries.previous();
                let (result, verdict) = self.attempt(head, &mut body, previous, deadline).await;
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
                result.unwrap_or_else(|_elapsed| Err(deadline.exceeded()))
            }
        };
        if retries.previous() > 0 {
            add_previous_attempts(&mut result, retries.previous());
        }
        result
    }

    /// Makes one attempt, on the next subchannel of the round robin.
    async fn attempt(
        &self,
        head: &Parts,
        body: &mut RequestBody,
        previous: u32,
        deadline: Option<Deadline>,
    ) -> (CallResult, Verdict) {
        let Subchannel { authority, sender } = match self.next_subchannel().await {
            Ok(subchannel) => subchannel,
            Err(status) => return failed(status),
        };
        let permit = match sender.permit().await {
            Ok(permit) => permit,
            Err(error) => return not_sent(error),
        };
        // A call that has waited until its deadline releases its permit unused.
        if let Some(deadline) = deadline.filter(Deadline::has_passed) {
            return failed(deadline.exceeded());
        }
        let limits = Limits {
            message: self.max_message,
            expects_one: head.extensions.get::<OneMessage>().is_some(),
        };
        let mut uri = head.uri.clone().into_parts();
        uri.scheme = Some(self.shared.scheme.clone());
        uri.authority = Some(authority);
        let uri = match Uri::from_parts(uri) {
            Ok(uri) => uri,
            Err(error) => return failed(Status::internal(format!("the path is invalid: {error}"))),
        };
        let mut request = Request::new(());
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() =
            headers::of_attempt(&head.headers, &self.shared.user_agent, previous, deadline);

        let sent = match body {
            RequestBody::Buffered(message) => sender
                .send(request, message.clone(), &permit)
                .map(|response| (response, RequestState::Sent { _permit: permit })),
            body => sender.open(request, &permit).map(|(response, stream)| {
                let request = match body.take_streaming() {
                    Some(body) => {
                        RequestState::Uploading(Upload::start(body, stream, permit, deadline))
                    }
                    None => RequestState::Dropped,
                };
                (response, request)
            }),
        };
        let (response, request) = match sent {
            Ok(sent) => sent,
            Err(error) => return not_sent(error),
        };
        match response.await {
            Ok(response) => judged(response, request, deadline, limits).await,
            Err(error) if is_not_processed(&error) => {
                (Err(from_h2_error(&error)), Verdict::NotProcessed)
            }
            Err(error) => failed(request.status(&error)),
        }
    }
}

/// Returns the result and the verdict of an attempt whose response headers have arrived.
async fn judged(
    response: Response<RecvStream>,
    request: RequestState,
    deadline: Option<Deadline>,
    limits: Limits,
) -> (CallResult, Verdict) {
    let response = match judge(response, request, deadline, limits).await {
        Ok(response) => response,
        Err(status) => return failed(status),
    };
    let verdict = match response.headers().get(Status::GRPC_STATUS) {
        // Only trailers: a response has not begun.
        Some(code) if code != "0" => {
            let pushback = Pushback::read(response.headers());
            Verdict::Failed(Code::from_bytes(code.as_bytes()), pushback)
        }
        _ => Verdict::Committed,
    };
    (Ok(response), verdict)
}

fn not_sent(error: SendError) -> (CallResult, Verdict) {
    match error {
        SendError::Closed => {
            let problem = "the connection ended before the call was sent";
            (Err(Status::unavailable(problem)), Verdict::NotSent)
        }
        SendError::Invalid(error) => {
            failed(Status::internal(format!("the call cannot be sent: {}", innermost(&error))))
        }
    }
}

fn failed(status: Status) -> (CallResult, Verdict) {
    let verdict = Verdict::Failed(status.code(), Pushback::None);
    (Err(status), verdict)
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
