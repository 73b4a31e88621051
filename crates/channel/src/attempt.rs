//! One attempt of a call, on one subchannel.

use h2::RecvStream;
use http::{Request, Response, Uri, request::Parts};
use http_body::Body;
use tonic::{Code, Status};

use crate::{
    call::CallResult,
    channel::Channel,
    deadline::Deadline,
    endpoint_load::{InFlight, Peer},
    endpoints::Subchannel,
    headers,
    limits::{Limits, OneMessage},
    request_body::RequestBody,
    response::{RequestState, ResponseBody, is_ok, judge},
    retry::{Pushback, Verdict},
    sender::SendError,
    status::{from_h2_error, innermost, is_not_processed},
    upload::Upload,
};

impl Channel {
    /// Makes one attempt, on the subchannel that the balancing picks. `peer` is set to its server.
    pub(crate) async fn attempt(
        &self,
        head: &Parts,
        body: &mut RequestBody,
        previous: u32,
        deadline: Option<Deadline>,
        peer: &mut Option<Peer>,
    ) -> (CallResult, Verdict) {
        let Subchannel { authority, sender, load, .. } = match self.next_subchannel().await {
            Ok(subchannel) => subchannel,
            Err(status) => return failed(status),
        };
        // Counts as in flight also while it waits for a permit. An attempt that is not sent is
        // neither a success nor a failure.
        let in_flight = load.begin(deadline.map(|deadline| deadline.at));
        *peer = Some(load.into());
        let permit = match sender.permit().await {
            Ok(permit) => permit,
            Err(error) => return not_sent(error),
        };
        // The wait for the permit may have lasted until the deadline.
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
        let (mut result, verdict) = match response.await {
            Ok(response) => judged(response, request, deadline, limits).await,
            Err(error) if is_not_processed(&error) => {
                (Err(from_h2_error(&error)), Verdict::NotProcessed)
            }
            Err(error) => failed(request.status(&error)),
        };
        match &mut result {
            Ok(response) => count(response, in_flight),
            Err(_) => in_flight.end(false),
        }
        (result, verdict)
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
        // Trailers-Only: the response has not begun, so that a retry is possible.
        Some(code) if code != "0" => {
            let pushback = Pushback::read(response.headers());
            Verdict::Failed(Code::from_bytes(code.as_bytes()), pushback)
        }
        _ => Verdict::Committed,
    };
    (Ok(response), verdict)
}

/// Counts the attempt when its response ends.
fn count(response: &mut Response<ResponseBody>, in_flight: InFlight) {
    if response.body().is_end_stream() {
        in_flight.end(is_ok(response.headers()));
    } else {
        response.body_mut().count(in_flight);
    }
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
