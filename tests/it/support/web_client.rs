//! A plain HTTP client, and the framing of Connect and gRPC-Web.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

use super::process::NEVER;

pub(crate) const UNARY: &str = "/web.WebService/Unary";
pub(crate) const GET: &str = "/web.WebService/Get";
pub(crate) const SERVER_STREAM: &str = "/web.WebService/ServerStream";
pub(crate) const CLIENT_STREAM: &str = "/web.WebService/ClientStream";
pub(crate) const BIDI_STREAM: &str = "/web.WebService/BidiStream";
pub(crate) const ECHO: &str = "/web.WebService/Echo";

pub(crate) const JSON: &str = "application/json";
pub(crate) const PROTO: &str = "application/proto";
pub(crate) const CONNECT_JSON: &str = "application/connect+json";
pub(crate) const CONNECT_PROTO: &str = "application/connect+proto";
pub(crate) const GRPC_WEB: &str = "application/grpc-web+proto";

/// The flag of the last message of a response of Connect.
pub(crate) const END: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

pub(crate) const VERSIONS: [Version; 2] = [Version::Http1, Version::Http2];

/// One connection, of either version of HTTP.
pub(crate) enum WebClient {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl WebClient {
    pub(crate) async fn connect(address: &str, version: Version) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.expect("a server"));
        match version {
            Version::Http1 => {
                let (sender, connection) = http1::handshake(io).await.expect("HTTP/1");
                tokio::spawn(connection);
                Self::Http1(sender)
            }
            Version::Http2 => {
                let (sender, connection) =
                    http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
                tokio::spawn(connection);
                Self::Http2(sender)
            }
        }
    }

    /// Makes a request on this connection, which must still be open.
    pub(crate) async fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        let request = Request::builder().method(method);
        let mut request = match self {
            Self::Http1(_) => request.uri(target).header("host", "test"),
            Self::Http2(_) => request.uri(format!("http://test{target}")),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let response = async {
            let response = match self {
                Self::Http1(sender) => {
                    sender.ready().await.expect("it is open");
                    sender.send_request(request).await
                }
                Self::Http2(sender) => {
                    sender.ready().await.expect("it is open");
                    sender.send_request(request).await
                }
            };
            let (head, body) = response.expect("a response").into_parts();
            let body = body.collect().await.expect("all of it");
            Response::from_parts(head, body.to_bytes())
        };
        timeout(NEVER, response).await.expect("no response")
    }

    pub(crate) async fn post(
        &mut self,
        path: &str,
        content_type: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        let headers = [&[("content-type", content_type)], headers].concat();
        self.request("POST", path, &headers, body).await
    }
}

/// Returns the content as JSON.
pub(crate) fn json(response: &Response<Bytes>) -> Value {
    parsed(response.body())
}

fn parsed(text: &[u8]) -> Value {
    let parsed = serde_json::from_slice(text);
    parsed.unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(text)))
}

/// Returns the value of a header; empty if it is missing.
pub(crate) fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().expect("text"))
}

/// Returns a message with its prefix.
pub(crate) fn envelope(flag: u8, message: impl AsRef<[u8]>) -> Vec<u8> {
    let message = message.as_ref();
    let length = u32::try_from(message.len()).expect("it is small");
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

/// Returns the messages of a body with their flags.
pub(crate) fn envelopes(mut body: &[u8]) -> Vec<(u8, &[u8])> {
    let mut messages = Vec::new();
    while let Some((prefix, rest)) = body.split_first_chunk::<5>() {
        let [flag, length @ ..] = *prefix;
        let (message, rest) = rest.split_at(u32::from_be_bytes(length) as usize);
        messages.push((flag, message));
        body = rest;
    }
    assert!(body.is_empty(), "a part of a message: {body:?}");
    messages
}

/// Returns the messages of a stream of Connect in JSON, and what its end says.
pub(crate) fn connect_stream(response: &Response<Bytes>) -> (Vec<Value>, Value) {
    assert_eq!(response.status(), 200, "{response:?}");
    let mut messages = envelopes(response.body());
    let (flag, end) = messages.pop().expect("an end");
    assert_eq!(flag, END, "{response:?}");
    let message = |(flag, message): &(u8, &[u8])| {
        assert_eq!(*flag, 0, "{response:?}");
        parsed(message)
    };
    (messages.iter().map(message).collect(), parsed(end))
}

/// Returns the messages of a response of gRPC-Web, and its trailers.
pub(crate) fn grpc_web(response: &Response<Bytes>) -> (Vec<&[u8]>, HeaderMap) {
    assert_eq!(response.status(), 200, "{response:?}");
    if response.headers().contains_key("grpc-status") {
        assert_eq!(response.body(), "", "{response:?}");
        return (Vec::new(), response.headers().clone());
    }
    let mut messages = envelopes(response.body());
    let (flag, lines) = messages.pop().expect("trailers");
    assert_eq!(flag, 0x80, "{response:?}");
    let lines = str::from_utf8(lines).expect("text").lines();
    let trailers = lines.map(|line| {
        let (name, value) = line.split_once(": ").expect("a field");
        (name.parse().expect("a name"), value.parse().expect("a value"))
    });
    let trailers: HeaderMap =
        trailers.collect::<Vec<(http::HeaderName, _)>>().into_iter().collect();
    (messages.iter().map(|(_, message)| *message).collect(), trailers)
}
