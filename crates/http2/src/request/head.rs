//! The head of a request, from its fields (RFC 9113, sections 8.2 and 8.3).

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONTENT_LENGTH, COOKIE, HOST},
    uri::{Parts, PathAndQuery, Scheme},
};

use super::list_size::{HeadLimits, ListSize};
use crate::hpack::{AuthorityValue, Entry, Field};

/// Why a head or trailers are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is malformed (RFC 9113, section 8.1.1).
    Malformed,
    /// It is larger than the limits.
    TooLarge,
}

/// A valid head.
#[derive(Debug, Clone)]
pub(crate) struct RequestHead {
    pub(crate) request: Request<()>,
    pub(crate) content_length: Option<u64>,
    /// The memory that it takes, in bytes.
    pub(crate) memory: usize,
}

/// Collects the fields of a head.
#[derive(Debug)]
pub(crate) struct HeadBuilder {
    list: ListSize,
    is_malformed: bool,
    method: Option<Method>,
    scheme: Option<Scheme>,
    authority: Option<AuthorityValue>,
    path: Option<PathAndQuery>,
    headers: HeaderMap,
    content_length: Option<u64>,
}

impl HeadBuilder {
    pub(crate) fn new(limits: HeadLimits) -> Self {
        Self {
            list: ListSize::new(limits),
            is_malformed: false,
            method: None,
            scheme: None,
            authority: None,
            path: None,
            // Enough for the usual requests of gRPC.
            headers: HeaderMap::with_capacity(6),
            content_length: None,
        }
    }

    /// Adds a field. Drops all header fields if the head is malformed or too large.
    #[inline]
    pub(crate) fn add(&mut self, entry: &Entry) {
        self.list.add(entry);
        if self.list.is_too_large() || self.is_malformed {
            self.headers = HeaderMap::new();
            return;
        }
        let is_valid = match &entry.field {
            Field::Header(name, Some(value)) => self.header(name, value),
            // Pseudo-header fields come first.
            _ if !self.headers.is_empty() => false,
            Field::Method(value) => set(&mut self.method, value),
            Field::Scheme(value) => set(&mut self.scheme, value),
            Field::Authority(value) => set(&mut self.authority, value),
            Field::Path(value) => set(&mut self.path, value),
            Field::Header(_, None) | Field::BadName => false,
        };
        self.is_malformed |= !is_valid;
    }

    /// Adds a header field. Returns whether it is valid.
    fn header(&mut self, name: &HeaderName, value: &HeaderValue) -> bool {
        if *name == COOKIE
            && let Some(cookies) = self.headers.get_mut(COOKIE)
        {
            return join_cookies(cookies, value);
        }
        if *name == CONTENT_LENGTH {
            let Some(length) = length(value) else { return false };
            if self.content_length.is_some_and(|at| at != length) {
                return false;
            }
            self.content_length = Some(length);
        }
        // Fails if there are more than 32,768 different names.
        self.headers.try_append(name.clone(), value.clone()).is_ok()
    }

    /// Returns the head.
    ///
    /// # Errors
    ///
    /// Returns an error if it is too large or malformed.
    pub(crate) fn finish(self) -> Result<RequestHead, Refusal> {
        if self.list.is_too_large() {
            return Err(Refusal::TooLarge);
        }
        if self.is_malformed {
            return Err(Refusal::Malformed);
        }
        let Self { scheme, authority, path, mut headers, content_length, list, .. } = self;
        let method = self.method.ok_or(Refusal::Malformed)?;
        let authority = match authority {
            Some(AuthorityValue::Authority(authority)) => Some(authority),
            // A URI cannot hold this value.
            Some(AuthorityValue::Other(value)) => {
                headers.entry(HOST).or_insert(value);
                None
            }
            None => None,
        };
        let uri = uri(&method, scheme, authority, path).ok_or(Refusal::Malformed)?;
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.version_mut() = http::Version::HTTP_2;
        *request.headers_mut() = headers;
        Ok(RequestHead { request, content_length, memory: list.memory() })
    }
}

/// Sets a pseudo-header field. Returns whether it is the first of its name and the value is valid.
#[expect(clippy::assigning_clones, reason = "a valid head sets a field only once, from `None`")]
fn set<T: Clone>(field: &mut Option<T>, value: &Option<T>) -> bool {
    let is_first = field.is_none();
    *field = value.clone();
    is_first && value.is_some()
}

/// Returns the target of a request, or `None` if a part is missing or wrong (RFC 9113, sections
/// 8.3.1 and 8.5).
fn uri(
    method: &Method,
    scheme: Option<Scheme>,
    authority: Option<http::uri::Authority>,
    path: Option<PathAndQuery>,
) -> Option<Uri> {
    let mut parts = Parts::default();
    if method == Method::CONNECT {
        if scheme.is_some() || path.is_some() {
            return None;
        }
        parts.authority = Some(authority?);
        return Uri::from_parts(parts).ok();
    }
    let (scheme, path) = (scheme?, path?);
    if path.as_str() == "*" && method != Method::OPTIONS {
        return None;
    }
    // A `Uri` with a scheme must have an authority.
    parts.scheme = authority.is_some().then_some(scheme);
    parts.authority = authority;
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).ok()
}

/// Joins a `cookie` field with those before it (RFC 9113, section 8.2.3).
fn join_cookies(cookies: &mut HeaderValue, more: &HeaderValue) -> bool {
    let joined = [cookies.as_bytes(), b"; ", more.as_bytes()].concat();
    let Ok(joined) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) else {
        return false;
    };
    *cookies = joined;
    true
}

/// Returns the value of `content-length`, or `None` if it is not valid (RFC 9110, section 8.6).
fn length(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    // `parse` alone would also accept a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
