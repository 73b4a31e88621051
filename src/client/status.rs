//! What a broken call is called, in gRPC's codes.

use std::{error::Error, iter, time::Duration};

use h2::Reason;
use http::StatusCode;
use tonic::{Code, Status};

/// The status of a call that the transport ended, from RST_STREAM's code where
/// the server reset it ("Errors" in the gRPC HTTP/2 protocol).
pub(super) fn broken(error: &h2::Error) -> Status {
    let reason = error.reason().filter(|_| error.is_reset() && error.is_remote());
    let code = match reason {
        Some(Reason::REFUSED_STREAM) | None => Code::Unavailable,
        Some(Reason::CANCEL) => Code::Cancelled,
        Some(Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
        Some(Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
        Some(_) => Code::Internal,
    };
    Status::new(code, format!("the connection failed: {}", innermost(error)))
}

/// Whether the server says that nothing of the call was worked on: its stream
/// is above GOAWAY's last one, or was refused (RFC 9113, sections 6.8 and 8.7).
/// Streams that GOAWAY leaves alone end otherwise, when the connection does.
pub(super) fn is_unseen(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
}

/// The status of a call whose deadline has passed: it had so long.
pub(super) fn too_late(timeout: Duration) -> Status {
    let timeout = humantime::format_duration(timeout);
    Status::deadline_exceeded(format!("no answer within {timeout}"))
}

/// The status of an answer that is not gRPC's, such as a proxy's.
pub(super) fn of_http(status: StatusCode) -> Status {
    let code = match status {
        StatusCode::BAD_REQUEST => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    };
    Status::new(code, format!("the answer is not gRPC's: HTTP status {status}"))
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// The outer errors only say that something failed; the innermost says what.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().unwrap_or(error).to_string()
}
