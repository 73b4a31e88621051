//! Finds the protocol of a request, and makes its head one of gRPC.

use http::{
    Method, Request,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName},
};
use http_body::Body as _;
use wire::encoding::{ACCEPT_ENCODING as GRPC_ACCEPT_ENCODING, ENCODING as GRPC_ENCODING};

use super::{
    content_type::ContentType,
    cors::Cors,
    get::{self, Query},
    head,
    json::Codec,
    refuse::{Refusal, refuse, refuse_http1},
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

const CONNECT_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("connect-accept-encoding");
const CONNECT_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");

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
        let readers = self.cors.readers(request.headers());
        let chosen = match refuse_http1(request) {
            Some(refusal) => Err(refusal),
            None => self.choose(request, methods),
        };
        match chosen {
            Ok((protocol, fault)) => {
                // The base64 of a text has another length than the bytes that it encodes.
                let keeps_length = matches!(protocol, Protocol::GrpcWeb { is_text: false });
                head::make_grpc(request, keeps_length);
                Ok(Box::new(Translation { protocol, readers, fault }))
            }
            Err(mut refusal) => {
                readers.add_to(refusal.response.headers_mut());
                Err(refusal)
            }
        }
    }

    /// Returns the protocol of the request, and the error in its head, if there is one.
    fn choose(
        &self,
        request: &mut Request<Body>,
        methods: &MethodTable,
    ) -> Result<(Protocol, Option<Cause>), Refusal> {
        let method = methods.find(request.uri().path());
        let content_type = match *request.method() {
            Method::POST => {
                let value = request.headers().get(CONTENT_TYPE);
                value.and_then(|value| ContentType::parse(value.as_bytes()))
            }
            _ => None,
        };
        let chosen = match content_type {
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
        chosen.ok_or_else(|| {
            refuse(request, &self.protocols, method, self.schemas.types(method).as_ref())
        })
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
        head::rename(headers, CONTENT_ENCODING, GRPC_ENCODING);
        head::read_accepted(headers);
        let (encoding, fault) = head::read_encoding(headers);
        let response_encoding = compression::response_encoding(headers, encoding, self.responses);
        // The message of a request is decompressed before it becomes one of gRPC, and that of a
        // response is compressed after it was one of gRPC.
        headers.remove(GRPC_ENCODING);
        headers.remove(GRPC_ACCEPT_ENCODING);
        let fault = fault.or_else(|| head::connect_fault(headers));
        let codec = Codec::new(types, is_json);
        let unary = Unary { codec, encoding, length, response_encoding, is_get: false };
        Some((Protocol::Unary(unary, None), fault))
    }

    fn get(
        &self,
        request: &mut Request<Body>,
        method: &method::Method,
    ) -> Option<(Protocol, Option<Cause>)> {
        let types = self.types(method, true)?;
        let is_call = match &types {
            Some(types) => types.has_no_side_effects,
            // There is no such method. Clients may request any path, so only a query with an
            // encoding counts as a call.
            None => request.uri().query().is_some_and(|query| query.contains("encoding=")),
        };
        if !is_call {
            return None;
        }
        let Query { is_json, encoding, message, fault } =
            get::read(request.uri().query().unwrap_or_default());
        // Errors of a path without a method are in JSON.
        let is_json = is_json.or(types.is_none().then_some(true))?;
        let headers = request.headers_mut();
        head::read_accepted(headers);
        let response_encoding = compression::response_encoding(headers, encoding, self.responses);
        headers.remove(GRPC_ACCEPT_ENCODING);
        let body = || {
            let has_body = !request.body().is_end_stream();
            let problem = "a GET has no body: its message is a part of the URL";
            has_body.then(|| Cause::InvalidRequest(problem.to_owned()))
        };
        let fault = fault.or_else(body);
        let fault = fault.or_else(|| head::connect_fault(request.headers_mut()));
        let codec = Codec::new(types, is_json);
        let unary = Unary { codec, encoding, length: None, response_encoding, is_get: true };
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
        head::rename(headers, CONNECT_ENCODING, GRPC_ENCODING);
        head::rename(headers, CONNECT_ACCEPT_ENCODING, GRPC_ACCEPT_ENCODING);
        let (encoding, fault) = if is_json {
            let read = head::read_encoding(headers);
            // Both are removed as for unary calls.
            headers.remove(GRPC_ENCODING);
            headers.remove(GRPC_ACCEPT_ENCODING);
            read
        } else {
            (None, None)
        };
        let fault = fault.or_else(|| head::connect_fault(headers));
        Some((Protocol::Stream(Stream { codec: Codec::new(types, is_json), encoding }), fault))
    }

    /// Returns the message types of a method that is called as a unary method or as a stream.
    /// Returns `Some(None)` if there is no such method, or `None` if it is of the other kind or has
    /// no descriptors.
    #[expect(
        clippy::option_option,
        reason = "an unknown method differs from one without descriptors"
    )]
    fn types(&self, method: &method::Method, is_unary: bool) -> Option<Option<Types>> {
        if method.origin() == Origin::None {
            return Some(None);
        }
        let types = self.schemas.types(method)?;
        (method.is_unary() == is_unary).then_some(Some(types))
    }
}
