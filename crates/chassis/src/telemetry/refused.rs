//! Requests that are refused before they are calls.

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its header fields are too large or too many (431).
    HeaderList,
    /// Its content type is of no protocol (415).
    ContentType,
    /// Its method of HTTP is not one for calls (405).
    Method,
    /// It breaks HTTP/2, and its stream is reset.
    Protocol,
    /// More streams are open than its connection may have, and it is reset.
    Streams,
    /// It is gRPC over HTTP/1, or HTTP/1 of any kind if only gRPC is served (505).
    HttpVersion,
}

impl Refused {
    /// Every reason, in the order of their values.
    pub(crate) const ALL: [Self; 6] = [
        Self::HeaderList,
        Self::ContentType,
        Self::Method,
        Self::Protocol,
        Self::Streams,
        Self::HttpVersion,
    ];

    /// Returns the name, as the log and the metrics have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HeaderList => "header_list",
            Self::ContentType => "content_type",
            Self::Method => "method",
            Self::Protocol => "protocol",
            Self::Streams => "streams",
            Self::HttpVersion => "http_version",
        }
    }
}
