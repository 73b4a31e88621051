//! The fields of a status, in headers or trailers.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};
use tonic::{Code, Status};

use crate::binary::is_base64;

/// The metadata key that says why the details of a status were dropped as malformed.
pub const DETAILS_ERROR: &str = "grpc-status-details-error";

const CODE: HeaderName = Status::GRPC_STATUS;
const MESSAGE: HeaderName = Status::GRPC_MESSAGE;
const DETAILS: HeaderName = Status::GRPC_STATUS_DETAILS;

/// The characters to percent-encode in `grpc-message` ("Status-Message" in the gRPC HTTP/2
/// protocol). Bytes above 0x7e are encoded in any case.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// Reads the status at the end of a response that a [`Channel`](crate::Channel) has returned.
///
/// # Errors
///
/// Returns the status if it is not OK.
///
/// # Panics
///
/// Panics if there is no status, which the channel has checked.
pub fn read_status(trailers: &HeaderMap) -> Result<(), Status> {
    if trailers.get(CODE).is_some_and(|code| code == "0") {
        return Ok(());
    }
    Err(Status::from_header_map(trailers).expect("the channel has checked that there is a status"))
}

/// Returns the code of the status, or `None` if there is no status.
pub(super) fn code(fields: &HeaderMap) -> Option<Code> {
    fields.get(CODE).map(|code| Code::from_bytes(code.as_bytes()))
}

/// Returns whether the status is OK.
pub(crate) fn is_ok(fields: &HeaderMap) -> bool {
    fields.get(CODE).is_some_and(|code| code == "0")
}

/// Removes the fields of a status, if there is one.
pub(super) fn remove(fields: &mut HeaderMap) {
    if fields.remove(CODE).is_some() {
        fields.remove(MESSAGE);
        fields.remove(DETAILS);
    }
}

/// Makes the fields of a status such that tonic reads them as they are meant.
///
/// - A number that is no code becomes UNKNOWN, with the number in the message.
/// - A message that is not percent-encoded UTF-8 gets replacement characters for the wrong bytes.
/// - Details that are not base64 are removed, because tonic panics at them. [`DETAILS_ERROR`] says
///   why.
pub(super) fn clean(fields: &mut HeaderMap) {
    let Some(code) = fields.get(CODE) else {
        fields.remove(DETAILS_ERROR);
        return;
    };
    let is_known = is_code(code.as_bytes());
    if is_known && fields.len() == 1 {
        // As of most responses. Each look-up costs more than this check.
        return;
    }
    let code = code.clone();
    fields.remove(DETAILS_ERROR);
    let message = fields.get(MESSAGE).map(|message| percent_decode(message.as_bytes()));
    let is_readable = message.clone().is_none_or(|message| message.decode_utf8().is_ok());
    if !(is_known && is_readable) {
        let mut text =
            message.map(|message| message.decode_utf8_lossy().into_owned()).unwrap_or_default();
        if !is_known {
            let code = String::from_utf8_lossy(code.as_bytes()).into_owned();
            let separator = if text.is_empty() { "" } else { ": " };
            text = format!("the server responded with the unknown status {code}{separator}{text}");
        }
        let encoded = utf8_percent_encode(&text, ENCODED).to_string();
        let encoded = HeaderValue::try_from(encoded).expect("it is printable ASCII");
        fields.insert(MESSAGE, encoded);
    }
    let code = if is_known { code } else { (Code::Unknown as i32).into() };
    // Replaces all if there were several.
    fields.insert(CODE, code);
    if let Some(problem) = details_problem(fields) {
        fields.remove(DETAILS);
        fields.insert(DETAILS_ERROR, HeaderValue::from_static(problem));
    }
}

fn is_code(text: &[u8]) -> bool {
    text == b"2" || Code::from_bytes(text) != Code::Unknown
}

fn details_problem(fields: &HeaderMap) -> Option<&'static str> {
    let mut all = fields.get_all(DETAILS).iter();
    let details = all.next()?;
    if all.next().is_some() {
        return Some("there are several");
    }
    (!is_base64(details.clone())).then_some("they are not base64")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the status that tonic reads.
    fn read(fields: &[(&'static str, &[u8])]) -> Status {
        let field = |(name, value): &(&'static str, &[u8])| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a value"))
        };
        let mut fields: HeaderMap = fields.iter().map(field).collect();
        clean(&mut fields);
        Status::from_header_map(&fields).expect("a status")
    }

    #[test]
    fn an_invalid_code_is_unknown_and_named_in_the_message() {
        for code in ["17", "99", "-1", "007", "0x1", "1.0", "OK", "4294967296"] {
            let status = read(&[("grpc-status", code.as_bytes()), ("grpc-message", b"caf%C3%A9")]);
            let message = format!("the server responded with the unknown status {code}: café");
            assert_eq!((status.code(), status.message()), (Code::Unknown, &*message));
        }
        for code in 0..=16 {
            let status = read(&[("grpc-status", code.to_string().as_bytes())]);
            assert_eq!((status.code() as i32, status.message()), (code, ""));
        }
    }

    #[test]
    fn bytes_of_a_message_that_are_not_utf_8_are_replaced() {
        for (message, expected) in [
            (&b"caf%E9"[..], "caf\u{fffd}"),
            (b"caf\xe9", "caf\u{fffd}"),
            (b"100%25 %ZZ %E4%BD %", "100% %ZZ \u{fffd} %"),
            (b"caf%C3%A9", "café"),
            ("café".as_bytes(), "café"),
            (b"", ""),
        ] {
            let status = read(&[("grpc-status", b"5"), ("grpc-message", message)]);
            assert_eq!((status.code(), status.message()), (Code::NotFound, expected));
        }
    }

    #[test]
    fn malformed_details_are_dropped_with_a_reason() {
        for details in [&b"!!!"[..], b"_-_-", b"AAEC,AAEC", b"A", b"AA=A", b"\xff", b" AAEC"] {
            let fields = [
                ("grpc-status", &b"5"[..]),
                ("grpc-message", b"no"),
                ("grpc-status-details-bin", details),
            ];
            let status = read(&fields);
            assert_eq!((status.code(), status.message()), (Code::NotFound, "no"));
            assert!(status.details().is_empty());
            assert_eq!(
                status.metadata().get(DETAILS_ERROR).expect("a reason"),
                "they are not base64"
            );
        }
        for details in [&b"AAEC"[..], b"AAECAA==", b"AAECAA"] {
            let status = read(&[("grpc-status", b"5"), ("grpc-status-details-bin", details)]);
            assert_eq!(status.details()[..3], [0, 1, 2]);
            assert!(status.metadata().get(DETAILS_ERROR).is_none());
        }
    }

    #[test]
    fn two_fields_of_details_are_malformed() {
        let mut fields = HeaderMap::new();
        for (name, value) in [(CODE, "5"), (DETAILS, "AAEC"), (DETAILS, "AAEC")] {
            fields.append(name, HeaderValue::from_static(value));
        }
        clean(&mut fields);
        assert!(fields.get(DETAILS).is_none());
        assert_eq!(fields[DETAILS_ERROR], "there are several");
    }

    #[test]
    fn a_server_cannot_say_that_details_were_dropped() {
        let status = read(&[("grpc-status", b"5"), ("grpc-status-details-error", b"made up")]);
        assert!(status.metadata().get(DETAILS_ERROR).is_none());
    }
}
