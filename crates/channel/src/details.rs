//! The details of a status (`google.rpc.Status`), as JSON.

use base64::{Engine, engine::general_purpose::STANDARD};
use prost::{DecodeError, Message};
use prost_types::Any;
use serde_json::{Map, Value, json};
use tonic::Status;
use tonic_types::pb::{
    self, BadRequest, DebugInfo, ErrorInfo, Help, LocalizedMessage, PreconditionFailure,
    QuotaFailure, RequestInfo, ResourceInfo, RetryInfo,
};

use crate::response::DETAILS_ERROR;

/// The details of a status that a server has sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Details {
    /// Each detail as protobuf writes it in JSON, its type in `@type`. A type other than those of
    /// `google.rpc` has its bytes in base64 as `value`.
    pub all: Vec<Value>,
    /// Why details are missing.
    pub error: Option<String>,
}

impl Details {
    /// Reads the details of a status.
    pub fn of(status: &Status) -> Self {
        let dropped = status.metadata().get(DETAILS_ERROR).map(|reason| {
            let reason = reason.to_str().unwrap_or_default();
            format!("the details of the status were dropped: {reason}")
        });
        if status.details().is_empty() {
            return Self { all: Vec::new(), error: dropped };
        }
        let unreadable =
            |error: &DecodeError| format!("the details of the status cannot be read: {error}");
        let details = match pb::Status::decode(status.details()) {
            Ok(status) => status.details,
            Err(error) => return Self { all: Vec::new(), error: Some(unreadable(&error)) },
        };
        let (mut all, mut error) = (Vec::new(), dropped);
        for read in details.iter().map(detail) {
            match read {
                Ok(detail) => all.push(detail),
                Err(problem) => error = Some(unreadable(&problem)),
            }
        }
        Self { all, error }
    }
}

/// Returns a detail as JSON.
fn detail(any: &Any) -> Result<Value, DecodeError> {
    let content = content(any)?;
    let mut detail = Map::from_iter([("@type".to_owned(), Value::from(any.type_url.as_str()))]);
    if let Value::Object(fields) = content {
        detail.extend(fields.into_iter().filter(|(_, value)| !is_default(value)));
    }
    Ok(Value::Object(detail))
}

/// Returns whether protobuf's JSON leaves a field with this value out.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn content(any: &Any) -> Result<Value, DecodeError> {
    let name = any.type_url.rsplit('/').next().unwrap_or_default();
    let bytes = &any.value[..];
    Ok(match name {
        "google.rpc.ErrorInfo" => {
            let info = ErrorInfo::decode(bytes)?;
            let metadata: Map<_, _> =
                info.metadata.into_iter().map(|(key, value)| (key, value.into())).collect();
            json!({ "reason": info.reason, "domain": info.domain, "metadata": metadata })
        }
        "google.rpc.RetryInfo" => {
            let delay = RetryInfo::decode(bytes)?.retry_delay;
            // protobuf's limit of about 10,000 years. prost-types panics at `i64::MIN`.
            let delay = delay.filter(|delay| delay.seconds.unsigned_abs() <= 315_576_000_000);
            json!({ "retryDelay": delay.map(|delay| delay.to_string()) })
        }
        "google.rpc.DebugInfo" => {
            let info = DebugInfo::decode(bytes)?;
            json!({ "stackEntries": info.stack_entries, "detail": info.detail })
        }
        "google.rpc.QuotaFailure" => {
            let violations = QuotaFailure::decode(bytes)?.violations.into_iter();
            let violation = |it: pb::quota_failure::Violation| json!({ "subject": it.subject, "description": it.description });
            json!({ "violations": violations.map(violation).collect::<Vec<_>>() })
        }
        "google.rpc.PreconditionFailure" => {
            let violations = PreconditionFailure::decode(bytes)?.violations.into_iter();
            let violation = |it: pb::precondition_failure::Violation| json!({ "type": it.r#type, "subject": it.subject, "description": it.description });
            json!({ "violations": violations.map(violation).collect::<Vec<_>>() })
        }
        "google.rpc.BadRequest" => {
            let violations = BadRequest::decode(bytes)?.field_violations.into_iter();
            let violation = |it: pb::bad_request::FieldViolation| json!({ "field": it.field, "description": it.description });
            json!({ "fieldViolations": violations.map(violation).collect::<Vec<_>>() })
        }
        "google.rpc.RequestInfo" => {
            let info = RequestInfo::decode(bytes)?;
            json!({ "requestId": info.request_id, "servingData": info.serving_data })
        }
        "google.rpc.ResourceInfo" => {
            let info = ResourceInfo::decode(bytes)?;
            json!({
                "resourceType": info.resource_type,
                "resourceName": info.resource_name,
                "owner": info.owner,
                "description": info.description,
            })
        }
        "google.rpc.Help" => {
            let link = |it: pb::help::Link| json!({ "description": it.description, "url": it.url });
            let links = Help::decode(bytes)?.links.into_iter();
            json!({ "links": links.map(link).collect::<Vec<_>>() })
        }
        "google.rpc.LocalizedMessage" => {
            let message = LocalizedMessage::decode(bytes)?;
            json!({ "locale": message.locale, "message": message.message })
        }
        _ => json!({ "value": STANDARD.encode(bytes) }),
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use bytes::Bytes;
    use tonic::Code;
    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    #[test]
    fn details_are_shown_by_type_and_content() {
        let mut details = ErrorDetails::new();
        details
            .set_retry_info(Some(Duration::from_millis(1500)))
            .set_debug_info(vec!["a".to_owned()], "b")
            .add_quota_failure_violation("who", "too much")
            .set_error_info("STOCK", "shop", HashMap::from([("sku".to_owned(), "7".to_owned())]))
            .add_precondition_failure_violation("TOS", "user", "not signed")
            .add_bad_request_violation("name", "is empty")
            .set_request_info("id", "")
            .set_resource_info("book", "b/1", "", "gone")
            .add_help_link("docs", "https://example.com")
            .set_localized_message("de", "Nein");
        let status = Status::with_error_details(Code::NotFound, "no", details);
        let Details { all, error } = Details::of(&status);
        assert_eq!(error, None);
        let expected = [
            json!({ "@type": "RetryInfo", "retryDelay": "1.500s" }),
            json!({ "@type": "DebugInfo", "stackEntries": ["a"], "detail": "b" }),
            json!({
                "@type": "QuotaFailure",
                "violations": [{ "subject": "who", "description": "too much" }]
            }),
            json!({
                "@type": "ErrorInfo", "reason": "STOCK", "domain": "shop",
                "metadata": { "sku": "7" }
            }),
            json!({
                "@type": "PreconditionFailure",
                "violations": [
                    { "type": "TOS", "subject": "user", "description": "not signed" }
                ]
            }),
            json!({
                "@type": "BadRequest",
                "fieldViolations": [{ "field": "name", "description": "is empty" }]
            }),
            json!({ "@type": "RequestInfo", "requestId": "id" }),
            json!({
                "@type": "ResourceInfo", "resourceType": "book", "resourceName": "b/1",
                "description": "gone"
            }),
            json!({
                "@type": "Help",
                "links": [{ "description": "docs", "url": "https://example.com" }]
            }),
            json!({ "@type": "LocalizedMessage", "locale": "de", "message": "Nein" }),
        ];
        let expected = expected.map(|mut detail| {
            let name = detail["@type"].as_str().expect("a name").to_owned();
            detail["@type"] = format!("type.googleapis.com/google.rpc.{name}").into();
            detail
        });
        assert_eq!(all, expected);
    }

    #[test]
    fn a_detail_of_another_type_has_its_bytes() {
        let any = Any { type_url: "example.com/shop.Order".to_owned(), value: vec![0, 1, 2] };
        let status = pb::Status { details: vec![any], ..pb::Status::default() };
        let details = Bytes::from(status.encode_to_vec());
        let details = Details::of(&Status::with_details(Code::Aborted, "", details));
        let expected = json!({ "@type": "example.com/shop.Order", "value": "AAEC" });
        assert_eq!(details, Details { all: vec![expected], error: None });
    }

    #[test]
    fn a_malformed_detail_is_dropped_and_the_others_are_shown() {
        let any = |name: &str, value: Vec<u8>| Any {
            type_url: format!("type.googleapis.com/google.rpc.{name}"),
            value,
        };
        let request = RequestInfo { request_id: "id".to_owned(), ..RequestInfo::default() };
        let delay = prost_types::Duration { seconds: i64::MIN, nanos: 0 };
        let details = vec![
            any("Help", vec![0xff]),
            any("RequestInfo", request.encode_to_vec()),
            any("RetryInfo", RetryInfo { retry_delay: Some(delay) }.encode_to_vec()),
        ];
        let status = pb::Status { details, ..pb::Status::default() };
        let details = Bytes::from(status.encode_to_vec());
        let Details { all, error } = Details::of(&Status::with_details(Code::Aborted, "", details));
        assert_eq!(all.len(), 2);
        assert_eq!(all[0]["requestId"], "id");
        assert!(error.is_some_and(|error| error.contains("cannot be read")));
    }

    #[test]
    fn details_that_are_not_a_status_are_reported() {
        let status = Status::with_details(Code::Aborted, "", Bytes::from_static(b"\xff"));
        let Details { all, error } = Details::of(&status);
        let error = error.expect("a reason");
        assert!(all.is_empty() && error.starts_with("the details of the status cannot be read: "));
        assert_eq!(Details::of(&Status::aborted("")), Details { all, error: None });
    }
}
