//! The content types of the protocols.

/// The meaning of the content type of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentType {
    GrpcWeb {
        is_text: bool,
    },
    /// The one message of a unary call of Connect, without a prefix.
    Unary {
        is_json: bool,
    },
    /// The messages of a stream of Connect, each with a prefix.
    Stream {
        is_json: bool,
    },
}

impl ContentType {
    /// Parses the value of a `content-type`. Returns `None` if it belongs to none of the protocols,
    /// or names another charset than UTF-8.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let text = str::from_utf8(value).ok()?;
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next()?.to_ascii_lowercase();
        let found = ALL.iter().find(|(known, _)| *known == name);
        let content_type = found.map(|(_, content_type)| *content_type)?;
        let is_other_charset = |parameter: &str| {
            let charset = parameter.to_ascii_lowercase();
            charset.strip_prefix("charset=").is_some_and(|name| name.trim_matches('"') != "utf-8")
        };
        (!parts.any(is_other_charset)).then_some(content_type)
    }

    /// Returns the content type of the response.
    pub(super) fn name(self) -> &'static str {
        let same = ALL.iter().rev().find(|(_, content_type)| *content_type == self);
        same.expect("the list has all content types").0
    }
}

/// All names. If a content type has two names, responses have the second.
const ALL: [(&str, ContentType); 8] = [
    ("application/grpc-web", ContentType::GrpcWeb { is_text: false }),
    ("application/grpc-web+proto", ContentType::GrpcWeb { is_text: false }),
    ("application/grpc-web-text", ContentType::GrpcWeb { is_text: true }),
    ("application/grpc-web-text+proto", ContentType::GrpcWeb { is_text: true }),
    ("application/proto", ContentType::Unary { is_json: false }),
    ("application/json", ContentType::Unary { is_json: true }),
    ("application/connect+proto", ContentType::Stream { is_json: false }),
    ("application/connect+json", ContentType::Stream { is_json: true }),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_content_types_of_the_protocols_are_known() {
        let json = Some(ContentType::Unary { is_json: true });
        for (text, expected) in [
            ("application/json", json),
            ("Application/JSON; Charset=UTF-8", json),
            ("application/json;charset=\"utf-8\"", json),
            ("application/json; charset=latin1", None),
            ("application/json+x", None),
            ("application/grpc-web", Some(ContentType::GrpcWeb { is_text: false })),
            ("application/grpc-web-text+proto", Some(ContentType::GrpcWeb { is_text: true })),
            ("application/grpc-web+json", None),
            ("application/connect+proto", Some(ContentType::Stream { is_json: false })),
            ("application/grpc", None),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(ContentType::parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_response_of_grpc_web_says_that_its_messages_are_protobuf() {
        let name = |is_text| ContentType::GrpcWeb { is_text }.name();
        assert_eq!(name(false), "application/grpc-web+proto");
        assert_eq!(name(true), "application/grpc-web-text+proto");
    }
}
