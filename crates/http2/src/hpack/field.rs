//! A header field, parsed.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method,
    header::TE,
    uri::{Authority, PathAndQuery, Scheme},
};

use super::size::FIELD_OVERHEAD;

/// The fields that belong to an HTTP/1 connection. A message with one is malformed (RFC 9113,
/// section 8.2.2).
pub(crate) const CONNECTION_FIELDS: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// A field of a request or of trailers. A value is `None` if it is malformed.
#[derive(Debug, Clone)]
pub(crate) enum Field {
    Method(Option<Method>),
    Scheme(Option<Scheme>),
    Authority(Option<AuthorityValue>),
    Path(Option<PathAndQuery>),
    Header(HeaderName, Option<HeaderValue>),
    /// A field that no request may have: its name has invalid characters, it is about an HTTP/1
    /// connection, or it is a pseudo-header field that requests do not have.
    BadName,
}

/// The value of `:authority`. gRPC servers do not use it, and some clients send values that are no
/// authority, such as lists of addresses. So every valid field value is accepted.
#[derive(Debug, Clone)]
pub(crate) enum AuthorityValue {
    Authority(Authority),
    Other(HeaderValue),
}

/// A field with its size.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) field: Field,
    name_length: usize,
    value_length: usize,
}

impl Entry {
    /// Parses a field (RFC 9113, sections 8.2 and 8.3).
    pub(crate) fn new(name: &[u8], value: &[u8]) -> Self {
        let field = match name {
            b":method" => Field::Method(None),
            b":scheme" => Field::Scheme(None),
            b":authority" => Field::Authority(None),
            b":path" => Field::Path(None),
            _ => match HeaderName::from_lowercase(name) {
                Ok(name) if !CONNECTION_FIELDS.contains(&name.as_str()) => {
                    Field::Header(name, None)
                }
                _ => Field::BadName,
            },
        };
        Self { field, name_length: name.len(), value_length: 0 }.with_value(value)
    }

    /// Returns the field with the same name and another value.
    pub(crate) fn with_value(&self, value: &[u8]) -> Self {
        let field = match &self.field {
            Field::Method(_) => Field::Method(Method::from_bytes(value).ok()),
            Field::Scheme(_) => Field::Scheme(scheme(value)),
            Field::Authority(_) => Field::Authority(authority(value)),
            Field::Path(_) => Field::Path(path(value)),
            Field::Header(name, _) if *name == TE && value != b"trailers" => {
                Field::Header(TE, None)
            }
            Field::Header(name, _) => Field::Header(name.clone(), header_value(value)),
            Field::BadName => Field::BadName,
        };
        Self { field, name_length: self.name_length, value_length: value.len() }
    }

    /// Returns the size of the field in a table and in a header list, in bytes (RFC 7541, section
    /// 4.1; RFC 9113, section 6.5.2).
    pub(crate) fn size(&self) -> usize {
        self.name_length + self.value_length + FIELD_OVERHEAD
    }
}

fn scheme(value: &[u8]) -> Option<Scheme> {
    match value {
        b"http" => Some(Scheme::HTTP),
        b"https" => Some(Scheme::HTTPS),
        _ => Scheme::try_from(value).ok(),
    }
}

fn authority(value: &[u8]) -> Option<AuthorityValue> {
    let value = header_value(value)?;
    let authority = Authority::try_from(value.as_bytes());
    Some(authority.map_or(AuthorityValue::Other(value), AuthorityValue::Authority))
}

fn path(value: &[u8]) -> Option<PathAndQuery> {
    if !value.starts_with(b"/") && value != b"*" {
        return None;
    }
    PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(value)).ok()
}

fn header_value(value: &[u8]) -> Option<HeaderValue> {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if is_space(value.first()) || is_space(value.last()) {
        return None;
    }
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(value)).ok()
}
