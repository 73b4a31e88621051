//! Which protocol a request speaks, and its head as one of gRPC.

use std::time::Duration;

use http::{
    HeaderMap, HeaderValue, Method, Request, Uri, Version,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName},
};
use http_body::Body as _;
use wire::{
    encoding::{ACCEPT_ENCODING as GRPC_ACCEPT_ENCODING, ENCODING as GRPC_ENCODING, Encoding},
    timeout,
};

use super::{
    content_type::ContentType,
    cors::{self, Cors},
    get::{self, Query},
    json::Codec,
    refuse::{Refusal, refuse},
    schema::{Schemas, Types},
    stream::Stream,
    translation::{Protocol, Translation},
    unary::Unary,
    unread::discard_unread,
};
use crate::{
    body::Body,
    cause::Cause,
    config,
    message::compression,
    method::{self, MethodTable, Origin},
};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const CONNECT_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("connect-accept-encoding");
const CONNECT_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");
const CONNECT_TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const CONNECT_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

/// The protocols of a server.
#[derive(Debug)]
pub(crate) struct Web {
    protocols: config::Protocols,
    /// When responses of unary calls are compressed.
    responses: config::Responses,
    cors: Cors,
    schemas: Schemas,
}

impl Web {
    pub(crate) fn new(settings: &config::Settings, schemas: Schemas) -> Self {
        Self {
            protocols: settings.server.protocols,
            responses: settings.compression.responses,
            cors: Cors::new(settings.cors.origins.clone()),
            schemas,
        }
    }

    /// Returns whether gRPC itself is served.
    pub(crate) fn has_grpc(&self) -> bool {
        self.protocols.grpc
    }

    /// Makes the head of the request one of gRPC.
    ///
    /// # Errors
    ///
    /// Returns a refusal if the request is no call of a protocol that is on.
    pub(crate) fn accept(
        &self,
        request: &mut Request<Body>,
        methods: &MethodTable,
    ) -> Result<Box<Translation>, Refusal> {
        let is_for_pages = self.protocols.grpc_web || self.protocols.connect;
        if is_for_pages && let Some(response) = self.cors.preflight(request) {
            return Err(Refusal { why: None, response: Box::new(response) });
        }
        discard_unread(request);
        let origin = self.cors.allowed(request.headers());
        let method = methods.find(request.uri().path());
        let content_type = match *request.method() {
            Method::POST => {
                let value = request.headers().get(CONTENT_TYPE);
                value.and_then(|value| ContentType::parse(value.as_bytes()))
            }
            _ => None,
        };
        let protocol = match content_type {
            Some(ContentType::GrpcWeb { is_text }) if self.protocols.grpc_web => {
                Some((Protocol::GrpcWeb { is_text }, None))
            }
            Some(ContentType::Unary { is_json }) if self.protocols.connect => {
                self.unary(request, method, is_json)
            }
            Some(ContentType::Stream { is_json }) if self.protocols.connect => {
                self.stream(request, method, is_json)
            }
            None if request.method() == Method::GET && self.protocols.connect => {
                self.get(request, method)
            }
            _ => None,
        };
        let Some((protocol, fault)) = protocol else {
            let mut refusal = self.refuse(request, method);
            if let Some(origin) = origin {
                cors::allow(refusal.response.headers_mut(), origin);
            }
            return Err(refusal);
        };
        // Text has another length than what is in it.
        let keeps_length = matches!(protocol, Protocol::GrpcWeb { is_text: false });
        make_grpc(request, keeps_length);
        Ok(Box::new(Translation { protocol, origin, fault }))
    }

    fn unary(
        &self,
        request: &mut Request<Body>,
        method: &method::Method,
        is_json: bool,
    ) -> Option<(Protocol, Option<Cause>)> {
        let types = self.types(method, true)?;
        let headers = request.headers_mut();
        let length =
            headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        rename(headers, CONTENT_ENCODING, GRPC_ENCODING);
        rename(headers, ACCEPT_ENCODING, GRPC_ACCEPT_ENCODING);
        let (encoding, fault) = read_encoding(headers);
        let response_encoding = compression::response_encoding(headers, encoding, self.responses);
        // A message is decompressed before it is a message of gRPC, and a response is compressed
        // after it was one.
        headers.remove(GRPC_ENCODING);
        headers.remove(GRPC_ACCEPT_ENCODING);
        let fault = fault.or_else(|| connect_fault(headers));
        let codec = Codec::new(types, is_json);
        let unary = Unary { codec, encoding, length, response_encoding };
        Some((Protocol::Unary(unary, None), fault))
    }

    fn get(
        &self,
        request: &mut Request<Body>,
        method: &method::Method,
    ) -> Option<(Protocol, Option<Cause>)> {
        let types = self.types(method, true)?;
        if types.as_ref().is_some_and(|types| !types.has_no_side_effects) {
            return None;
        }
        let Query { is_json, encoding, message, fault } =
            get::read(request.uri().query().unwrap_or_default());
        let headers = request.headers_mut();
        rename(headers, ACCEPT_ENCODING, GRPC_ACCEPT_ENCODING);
        let response_encoding = compression::response_encoding(headers, encoding, self.responses);
        headers.remove(GRPC_ACCEPT_ENCODING);
        let body = || {
            let has_body = !request.body().is_end_stream();
            let problem = "a GET has no body: its message is a part of the URL";
            has_body.then(|| Cause::InvalidRequest(problem.to_owned()))
        };
        let fault = fault.or_else(body);
        let fault = fault.or_else(|| connect_fault(request.headers_mut()));
        let codec = Codec::new(types, is_json);
        let unary = Unary { codec, encoding, length: None, response_encoding };
        Some((Protocol::Unary(unary, Some(message)), fault))
    }

    fn stream(
        &self,
        request: &mut Request<Body>,
        method: &method::Method,
        is_json: bool,
    ) -> Option<(Protocol, Option<Cause>)> {
        let types = self.types(method, false)?;
        let headers = request.headers_mut();
        rename(headers, CONNECT_ENCODING, GRPC_ENCODING);
        rename(headers, CONNECT_ACCEPT_ENCODING, GRPC_ACCEPT_ENCODING);
        let (encoding, fault) = if is_json {
            let read = read_encoding(headers);
            // As for unary calls.
            headers.remove(GRPC_ENCODING);
            headers.remove(GRPC_ACCEPT_ENCODING);
            read
        } else {
            (None, None)
        };
        let fault = fault.or_else(|| connect_fault(headers));
        Some((Protocol::Stream(Stream { codec: Codec::new(types, is_json), encoding }), fault))
    }

    /// Returns the messages of a method that is called in a form for unary methods or for streams;
    /// `Some(None)` if there is no such method. Returns `None` if the form does not fit it, or if
    /// it has no descriptors.
    #[expect(clippy::option_option, reason = "both are there: no method, and no descriptors")]
    fn types(&self, method: &method::Method, is_unary: bool) -> Option<Option<Types>> {
        if method.origin() == Origin::None {
            return Some(None);
        }
        let types = self.schemas.types(method)?;
        (method.is_unary() == is_unary).then_some(Some(types))
    }

    /// Refuses a request that is no call, in HTTP's terms.
    fn refuse(&self, request: &Request<Body>, method: &method::Method) -> Refusal {
        let types = self.schemas.types(method);
        refuse(request, &self.protocols, method, types.as_ref())
    }
}

/// Returns the encoding of a request, or what is wrong with it.
fn read_encoding(headers: &HeaderMap) -> (Option<Encoding>, Option<Cause>) {
    match compression::request_encoding(headers) {
        Ok(encoding) => (encoding, None),
        Err(cause) => (None, Some(cause)),
    }
}

fn rename(headers: &mut HeaderMap, from: HeaderName, to: HeaderName) {
    headers.remove(&to);
    if let Some(value) = headers.remove(from) {
        headers.insert(to, value);
    }
}

/// Replaces the timeout of Connect by that of gRPC. Returns what is wrong with it, or with the
/// version of the protocol.
fn connect_fault(headers: &mut HeaderMap) -> Option<Cause> {
    headers.remove(GRPC_TIMEOUT);
    let mut fault = None;
    if let Some(value) = headers.remove(CONNECT_TIMEOUT) {
        // "At most 10 digits" in the Connect protocol.
        let digits = value.to_str().ok().filter(|text| (1..=10).contains(&text.len()));
        let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match digits.and_then(|text| text.parse().ok()) {
            Some(milliseconds) => {
                let time = Duration::from_millis(milliseconds);
                headers.insert(GRPC_TIMEOUT, timeout::format(time));
            }
            None => {
                fault = Some("connect-timeout-ms must be a number of at most ten digits");
            }
        }
    }
    if headers.remove(CONNECT_VERSION).is_some_and(|version| version != "1") {
        fault = Some("connect-protocol-version must be 1");
    }
    fault.map(|problem| Cause::InvalidRequest(problem.to_owned()))
}

/// Makes the head one of gRPC.
fn make_grpc(request: &mut Request<Body>, keeps_length: bool) {
    let path = request.uri().path().parse::<Uri>();
    *request.uri_mut() = path.unwrap_or_default();
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    if !keeps_length {
        headers.remove(CONTENT_LENGTH);
    }
    // They are about a connection of HTTP/1.
    for name in
        ["connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]
    {
        headers.remove(name);
    }
}
