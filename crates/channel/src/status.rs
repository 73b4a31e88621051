//! The gRPC status of a call that fails below gRPC.

use std::{error::Error, iter};

use h2::Reason;
use http::StatusCode;
use tonic::{Code, Status};

/// Returns the status of a call that HTTP/2 ended. If the server reset the stream, the
/// code follows from the error code of RST_STREAM ("Errors" in the gRPC HTTP/2 protocol).
pub(crate) fn from_h2_error(error: &h2::Error) -> Status {
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

/// Returns whether the server says that it has not processed the call: the stream is above
/// the last stream of GOAWAY, or was refused (RFC 9113, sections 6.8 and 8.7). A stream that
/// GOAWAY lets finish ends with another error if the connection is lost.
pub(crate) fn is_not_processed(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
}

/// Returns the status of a response that is not gRPC, such as a proxy's ("HTTP to gRPC
/// Status Code Mapping" in the gRPC documentation).
pub(crate) fn from_http_status(status: StatusCode) -> Status {
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
    Status::new(code, format!("the response is not gRPC: HTTP status {status}"))
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// Returns the text of the innermost cause, because the outer errors only say that
/// something failed.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().unwrap_or(error).to_string()
}
