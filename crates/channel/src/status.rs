//! The gRPC status of a call that fails below gRPC.

use std::{error::Error, iter};

use h2::Reason;
use tonic::{Code, Status};

use crate::limits::HEADER_LIST;

/// Returns the status of a call that HTTP/2 ended. If the server reset the stream, the
/// code follows from the error code of RST_STREAM ("Errors" in the gRPC HTTP/2 protocol).
pub(crate) fn from_h2_error(error: &h2::Error) -> Status {
    if let Some(reason) = error.reason().filter(|_| error.is_library()) {
        return from_broken_response(reason);
    }
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

/// Returns the status of a call that this side ended, because the response was not valid. The
/// server has served the call, so that the code must be one that is not retried.
fn from_broken_response(reason: Reason) -> Status {
    match reason {
        Reason::REFUSED_STREAM => Status::resource_exhausted(format!(
            "the headers of the response have more than {HEADER_LIST} bytes"
        )),
        reason => Status::internal(format!("the response breaks the rules of HTTP/2: {reason}")),
    }
}

/// Returns whether the server says that it has not processed the call: the stream is above
/// the last stream of GOAWAY, or was refused (RFC 9113, sections 6.8 and 8.7). A stream that
/// GOAWAY lets finish ends with another error if the connection is lost.
pub(crate) fn is_not_processed(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// Returns the text of the innermost cause, because the outer errors only say that
/// something failed.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().unwrap_or(error).to_string()
}
