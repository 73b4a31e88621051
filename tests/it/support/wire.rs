//! A gRPC client without a deadline, which returns headers, body and trailers as they arrive.

use std::io::Write;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tonic::{Code, Status};

#[derive(Clone)]
pub(crate) struct Caller(SendRequest<Bytes>);

/// The response of a call.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The trailers, or the headers if there are no trailers.
    pub(crate) trailers: HeaderMap,
}

impl Response {
    pub(crate) fn status(&self) -> Status {
        Status::from_header_map(&self.trailers).expect("a status")
    }

    pub(crate) fn code(&self) -> Code {
        self.status().code()
    }
}

/// Returns a message with its prefix.
pub(crate) fn message(compressed: bool, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("it is small");
    [&[u8::from(compressed)][..], &length.to_be_bytes(), message].concat().into()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail")
}

/// Encodes a message with a text in field 1. Both messages of the service are such messages.
pub(crate) fn text(text: &str) -> Vec<u8> {
    prost::Message::encode_to_vec(&super::in_process::request(text))
}

impl Caller {
    pub(crate) async fn connect(address: &str) -> Self {
        Self::over(TcpStream::connect(address).await.expect("a server")).await
    }

    pub(crate) async fn over<I>(connection: I) -> Self
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = h2::client::handshake(connection).await.expect("HTTP/2");
        tokio::spawn(connection);
        Self(sender)
    }

    /// Sends only the headers of a call.
    pub(crate) async fn begin(
        &mut self,
        headers: &[(&str, &str)],
    ) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        self.begin_at("/SampleService/Call", headers).await
    }

    /// Sends only the headers of a call of another path.
    pub(crate) async fn begin_at(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        let mut request = Request::post(format!("http://test{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        self.0.clone().ready().await.expect("a stream").send_request(request, false).expect("sent")
    }

    pub(crate) async fn call(&mut self, headers: &[(&str, &str)], body: Bytes) -> Response {
        self.call_at("/SampleService/Call", headers, body).await
    }

    pub(crate) async fn call_at(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Response {
        let (response, mut stream) = self.begin_at(path, headers).await;
        // The response may arrive before everything is sent.
        let _ = stream.send_data(body, true);
        read(response).await
    }
}

pub(crate) async fn read(response: h2::client::ResponseFuture) -> Response {
    let (head, mut stream) = response.await.expect("a response").into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.expect("no error");
        stream.flow_control().release_capacity(data.len()).expect("it was given");
        body.extend(data);
    }
    let trailers = stream.trailers().await.expect("no error");
    Response {
        trailers: trailers.unwrap_or_else(|| head.headers.clone()),
        headers: head.headers,
        body,
    }
}
