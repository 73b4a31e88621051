//! A call of Connect whose message is in its URL ("Unary-Get-Request" of the Connect protocol).

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use wire::encoding::Encoding;

use super::unary::Query as Message;
use crate::cause::Cause;

/// Base64 with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The content of the query of a URL.
#[derive(Debug)]
pub(super) struct Query {
    /// `None` if the query names no encoding of messages that is known.
    pub(super) is_json: Option<bool>,
    pub(super) encoding: Option<Encoding>,
    pub(super) message: Message,
    /// The first error in the query.
    pub(super) fault: Option<Cause>,
}

/// Reads the query of a URL.
pub(super) fn read(query: &str) -> Query {
    let (mut format, mut message, mut is_base64) = (None, None, false);
    let (mut compression, mut version) = (None, None);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A plus stands for a space in a query.
        let value = value.replace('+', " ");
        let value: Vec<u8> = percent_decode_str(&value).collect();
        match name {
            "encoding" => format = Some(value),
            "message" => message = Some(value),
            "base64" => is_base64 = value == b"1",
            "compression" => compression = Some(value),
            "connect" => version = Some(value),
            _ => {}
        }
    }
    let mut fault = None;
    let mut wrong = |cause: Cause| fault = fault.take().or(Some(cause));
    let invalid = |problem: &str| Cause::InvalidRequest(problem.to_owned());
    let is_json = match format.as_deref() {
        Some(b"json") => Some(true),
        Some(b"proto") => Some(false),
        _ => None,
    };
    if version.is_some_and(|version| version != b"v1") {
        wrong(invalid("the query parameter connect must be v1"));
    }
    let encoding = match compression.as_deref() {
        None | Some(b"" | b"identity") => None,
        Some(name) => {
            let encoding = Encoding::named(name);
            if encoding.is_none() {
                wrong(Cause::UnknownEncoding(String::from_utf8_lossy(name).into_owned()));
            }
            encoding
        }
    };
    let message = match message {
        None => {
            wrong(invalid("the query parameter message is missing"));
            Vec::new()
        }
        Some(text) if is_base64 => BASE64.decode(text).unwrap_or_else(|_| {
            wrong(invalid(
                "the query parameter message must be base64 for URLs, because base64 is 1",
            ));
            Vec::new()
        }),
        Some(text) => text,
    };
    Query { is_json, encoding, message: Message(Bytes::from(message)), fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_text_or_base64_with_padding_or_without() {
        for query in [
            "encoding=json&message=%7B%22a%22:+1%7D",
            "connect=v1&encoding=json&base64=1&message=eyJhIjogMX0",
            "message=eyJhIjogMX0%3D&base64=1&encoding=json&unknown&compression=identity",
        ] {
            let Query { is_json, encoding, message, fault } = read(query);
            assert_eq!((is_json, encoding, fault), (Some(true), None, None), "{query}");
            assert_eq!(message.0, "{\"a\": 1}", "{query}");
        }
        let query = read("encoding=proto&message=%ff&compression=gzip");
        assert_eq!((query.is_json, query.encoding), (Some(false), Some(Encoding::Gzip)));
        assert_eq!(query.message.0[..], [0xff]);
    }

    #[test]
    fn an_error_names_the_wrong_parameter() {
        for query in ["", "encoding=xml&message="] {
            assert_eq!(read(query).is_json, None, "{query}");
        }
        for (query, problem) in [
            ("encoding=json", "message is missing"),
            ("encoding=json&message=*&base64=1", "must be base64"),
            ("encoding=json&message=&connect=v2", "connect must be v1"),
            ("encoding=json&message=&compression=br", "br"),
        ] {
            let fault = read(query).fault.expect("it is wrong").status();
            assert!(fault.message().contains(problem), "{query}: {fault}");
        }
    }
}
