//! Errors of Connect ("Error Codes" and "Error end-stream" of the Connect protocol).

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http::StatusCode;
use prost::Message;
use protojson::quoted;
use tonic::{Code, Status};
use tonic_types::pb;
use wire::code::code_name;

/// Returns the HTTP status of a failed unary call.
pub(super) fn http_status(code: Code) -> StatusCode {
    let status = match code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::DeadlineExceeded => 504,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::PermissionDenied => 403,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unavailable => 503,
        Code::Unauthenticated => 401,
    };
    StatusCode::from_u16(status).expect("all of them are valid")
}

/// Returns the status as JSON: its code, and its message and its details if it has any.
pub(super) fn json(status: &Status) -> String {
    let mut text = format!("{{\"code\":\"{}\"", name(status.code()));
    if !status.message().is_empty() {
        text.push_str(",\"message\":");
        text.push_str(&quoted(status.message()));
    }
    // Details that are not a google.rpc.Status are left out.
    let details = pb::Status::decode(status.details()).unwrap_or_default().details;
    let details: Vec<_> = details
        .iter()
        .map(|detail| {
            let name = detail.type_url.rsplit('/').next().unwrap_or_default();
            let value = STANDARD_NO_PAD.encode(&detail.value);
            format!("{{\"type\":{},\"value\":\"{value}\"}}", quoted(name))
        })
        .collect();
    if !details.is_empty() {
        text.push_str(&format!(",\"details\":[{}]", details.join(",")));
    }
    text.push('}');
    text
}

/// Returns the name of a code: gRPC's in lower case, and "canceled" with one l.
fn name(code: Code) -> String {
    if code == Code::Cancelled { "canceled".to_owned() } else { code_name(code).to_lowercase() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cause::Cause;

    #[test]
    fn each_code_has_the_http_status_of_the_protocol() {
        let statuses =
            [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];
        for (code, status) in (0..).zip(statuses) {
            assert_eq!(http_status(Code::from_i32(code)), status, "{code}");
        }
    }

    #[test]
    fn an_error_has_its_message_and_its_details() {
        assert_eq!(json(&Status::cancelled("")), r#"{"code":"canceled"}"#);
        assert_eq!(
            json(&Status::not_found("no \"x\"\n")),
            r#"{"code":"not_found","message":"no \"x\"\n"}"#
        );
        let full = Cause::QueueFull { retry_after: Duration::from_secs(2) }.status();
        assert_eq!(
            json(&full),
            "{\"code\":\"resource_exhausted\",\"message\":\"the queue is full\",\"details\":\
             [{\"type\":\"google.rpc.RetryInfo\",\"value\":\"CgIIAg\"}]}"
        );
    }
}
