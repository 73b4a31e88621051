//! The head of a response: its HTTP status and its headers.

use std::time::Duration;

use bytes::Buf;
use h2::RecvStream;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Status};
use wire::{content_type::is_grpc, receive::ReceiveBody};

use super::{
    body::{RequestState, ResponseBody},
    messages::Messages,
    status_fields,
};
use crate::{
    deadline::Deadline,
    headers::PREVIOUS_ATTEMPTS,
    limits::{Limits, check_headers},
};

/// How many characters of a response that is not gRPC a status shows.
const MAX_LINE: usize = 200;

/// How long to wait for the first line of such a response. Most often it comes with the headers.
const LINE_TIMEOUT: Duration = Duration::from_millis(200);

/// Returns the response to a call, with a body that checks its messages and its status.
///
/// # Errors
///
/// Returns the status of a response that is not gRPC ("HTTP to gRPC Status Code Mapping"), or whose
/// headers are too large.
pub(crate) async fn judge(
    response: Response<RecvStream>,
    mut request: RequestState,
    deadline: Option<Deadline>,
    limits: Limits,
) -> Result<Response<ResponseBody>, Status> {
    let (mut head, stream) = response.into_parts();
    check_headers(&head.headers, "headers")?;
    // Only the channel sets this header.
    head.headers.remove(PREVIOUS_ATTEMPTS);
    // The headers have the status only if the response has nothing else ("Trailers-Only").
    let is_all = stream.is_end_stream();
    let code = if is_all {
        status_fields::clean(&mut head.headers);
        status_fields::code(&head.headers)
    } else {
        status_fields::remove(&mut head.headers);
        None
    };
    let is_grpc = head.status == StatusCode::OK && other_content_type(&head.headers).is_none();
    if code.is_none() && !is_grpc {
        let until = Instant::now() + LINE_TIMEOUT;
        return Err(not_grpc(head.status, &head.headers, ReceiveBody(stream), until).await);
    }
    let messages = Messages::new(&mut head.headers, limits);
    if code == Some(Code::Ok) {
        messages.end()?;
    }
    if is_all {
        request.stop_upload();
    }
    let body = ResponseBody::new(ReceiveBody(stream), messages, request, deadline);
    let body = if code.is_some() { body.ended() } else { body };
    Ok(Response::from_parts(head, body))
}

/// Returns the content type if it is not that of gRPC.
fn other_content_type(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(CONTENT_TYPE).filter(|value| !is_grpc(value.as_bytes()))
}

/// Returns the status of a response that is not gRPC, such as a proxy's.
async fn not_grpc(
    status: StatusCode,
    headers: &HeaderMap,
    body: ReceiveBody,
    until: Instant,
) -> Status {
    let code = match status {
        StatusCode::BAD_REQUEST | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    };
    let mut text = format!("the response is not gRPC: HTTP status {status}");
    if let Some(content_type) = other_content_type(headers) {
        let content_type = String::from_utf8_lossy(content_type.as_bytes());
        text = format!("{text}, content type {content_type}");
    }
    let line = first_line(body, until).await;
    if !line.is_empty() {
        text = format!("{text}: {line}");
    }
    Status::new(code, text)
}

/// Returns the first line of a body that is not empty, or the part that arrives before `until`.
async fn first_line(mut body: ReceiveBody, until: Instant) -> String {
    let mut read = Vec::new();
    while read.len() < 4 * MAX_LINE
        && !read.trim_ascii_start().contains(&b'\n')
        && let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await
        && let Ok(data) = frame.into_data()
    {
        read.extend_from_slice(data.chunk());
    }
    let text = String::from_utf8_lossy(read.trim_ascii_start());
    text.lines().next().unwrap_or_default().trim_end().chars().take(MAX_LINE).collect()
}
