//! Cross-origin requests of pages in browsers (CORS, as the Fetch standard defines it).

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};

use crate::{body::Body, config::Origins};

/// For how long a browser may remember a preflight, in seconds: the longest time that Chromium
/// allows.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// The origins whose pages may call.
#[derive(Debug)]
pub(super) struct Cors {
    origins: Origins,
}

impl Cors {
    pub(super) fn new(origins: Origins) -> Self {
        Self { origins }
    }

    /// Returns who may read the response to a request with these headers.
    pub(super) fn readers(&self, headers: &HeaderMap) -> Readers {
        let origin = headers
            .get(ORIGIN)
            .filter(|origin| origin.to_str().is_ok_and(|origin| self.origins.allow(origin)));
        Readers { origin: origin.cloned(), depends_on_origin: !self.origins.is_empty() }
    }

    /// Returns the response to a preflight, or `None` if the request is not a preflight. A page of
    /// another origin gets 403, without a header that would allow anything.
    pub(super) fn preflight(&self, request: &Request<Body>) -> Option<Response<Body>> {
        let headers = request.headers();
        let is_preflight = request.method() == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight {
            return None;
        }
        let mut response = Response::new(Body::empty());
        let readers = self.readers(headers);
        if readers.origin.is_none() {
            *response.status_mut() = StatusCode::FORBIDDEN;
            return Some(response);
        }
        *response.status_mut() = StatusCode::NO_CONTENT;
        let allowed = response.headers_mut();
        readers.add_to(allowed);
        allowed.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        // Metadata can have any name.
        if let Some(wanted) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            allowed.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        allowed.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(response)
    }
}

/// Whose pages may read a response.
#[derive(Debug)]
pub(super) struct Readers {
    /// The origin of the page that makes the request, if it may read the response.
    origin: Option<HeaderValue>,
    /// Whether pages of other origins may read it, so that the response depends on the origin.
    depends_on_origin: bool,
}

impl Readers {
    /// Adds the headers that let the page read the response and all of its headers.
    pub(super) fn add_to(self, headers: &mut HeaderMap) {
        if let Some(origin) = self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            // With credentials, `*` would not stand for all headers, but credentials are not
            // allowed.
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
        }
        if self.depends_on_origin {
            // A cache must not give the response to a page of another origin.
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
    }
}
