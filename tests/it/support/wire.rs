//! A caller that shows what is on the wire, and has no deadline of its own.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tonic::{Code, Status};

pub(crate) struct Caller(SendRequest<Bytes>);

/// What came back of a call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The trailers, or the headers where there was nothing else.
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    pub(crate) fn status(&self) -> Status {
        Status::from_header_map(&self.trailers).expect("a status")
    }

    pub(crate) fn code(&self) -> Code {
        self.status().code()
    }
}

/// A message with its prefix.
pub(crate) fn message(compressed: bool, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("it is small");
    [&[u8::from(compressed)][..], &length.to_be_bytes(), message].concat().into()
}

/// The field 1 that is text, of both messages of the service.
pub(crate) fn text(text: &str) -> Vec<u8> {
    prost::Message::encode_to_vec(&crate::support::request(text))
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

    /// Sends the head of a call and no more of it.
    pub(crate) async fn begin(
        &mut self,
        headers: &[(&str, &str)],
    ) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        self.begin_at("/SampleService/Call", headers).await
    }

    /// The same, of the method at another path.
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

    pub(crate) async fn call(&mut self, headers: &[(&str, &str)], body: Bytes) -> Answer {
        self.call_at("/SampleService/Call", headers, body).await
    }

    pub(crate) async fn call_at(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let (answer, mut stream) = self.begin_at(path, headers).await;
        // The answer may be there before all is sent.
        let _ = stream.send_data(body, true);
        read(answer).await
    }
}

pub(crate) async fn read(answer: h2::client::ResponseFuture) -> Answer {
    let (head, mut stream) = answer.await.expect("an answer").into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.expect("no error");
        stream.flow_control().release_capacity(data.len()).expect("it was given");
        body.extend(data);
    }
    let trailers = stream.trailers().await.expect("no error");
    Answer {
        trailers: trailers.unwrap_or_else(|| head.headers.clone()),
        headers: head.headers,
        body,
    }
}
