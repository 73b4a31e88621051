//! Servers and clients for the tests.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use channel::{Balance, Channel, MAX_ATTEMPTS, Target, user_agent};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Status, Streaming, body::Body, client::Grpc, server::NamedService, transport::Server,
    transport::server::TcpIncoming,
};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn target(address: &str) -> Target {
    Target {
        address: address.parse().expect("an address"),
        tls: None,
        timeout: LONG,
        wait_for_ready: false,
        max_attempts: MAX_ATTEMPTS,
        user_agent: user_agent("test", "1.2.3"),
        tracing: None,
        balance: Balance::default(),
        outlier_detection: None,
    }
}

/// Returns a listener on a free port, and its address.
pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    (listener, address)
}

pub(crate) async fn accept(
    listener: &TcpListener,
    stream_limit: u32,
) -> h2::server::Connection<TcpStream, Bytes> {
    let (tcp, _) = listener.accept().await.expect("a client");
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(stream_limit).handshake(tcp).await.expect("HTTP/2")
}

/// A tonic server with one method of each kind. Messages are texts.
pub(crate) struct EchoServer {
    pub(crate) address: String,
    pub(crate) echo: Echo,
}

impl EchoServer {
    pub(crate) async fn start() -> Self {
        let (listener, address) = listen().await;
        let echo = Echo::default();
        let incoming = TcpIncoming::from(listener);
        let router = Server::builder().add_service(echo.clone());
        tokio::spawn(router.serve_with_incoming(incoming));
        Self { address, echo }
    }

    pub(crate) fn channel(&self) -> Channel {
        Channel::new(&target(&self.address))
    }
}

#[derive(Clone, Default)]
pub(crate) struct Echo {
    /// The headers of each request.
    pub(crate) headers: Arc<Mutex<Vec<HeaderMap>>>,
    /// Allows `Unread` to read its requests.
    pub(crate) reads: CancellationToken,
}

impl Echo {
    pub(crate) fn last_headers(&self) -> HeaderMap {
        self.headers.lock().expect("no panic").last().cloned().expect("a request")
    }

    /// Waits until the headers of a request have arrived.
    pub(crate) async fn called(&self) {
        while self.headers.lock().expect("no panic").is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<Request<Body>> for Echo {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.headers.lock().expect("no panic").push(request.headers().clone());
        let reads = self.reads.clone();
        async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, String>::default());
            let path = request.uri().path().to_owned();
            Ok(match path.as_str() {
                "/test.Echo/Unary" => grpc.unary(service_fn(unary), request).await,
                "/test.Echo/Repeat" => grpc.server_streaming(service_fn(repeat), request).await,
                "/test.Echo/Join" => grpc.client_streaming(service_fn(join), request).await,
                "/test.Echo/Echo" => grpc.streaming(service_fn(echo), request).await,
                "/test.Echo/Refuse" => grpc.streaming(service_fn(refuse), request).await,
                "/test.Echo/Unread" => {
                    let count = service_fn(move |request: tonic::Request<Streaming<String>>| {
                        let reads = reads.clone();
                        async move {
                            reads.cancelled().await;
                            let size = request
                                .into_inner()
                                .fold(0, async |size, message| {
                                    size + message.expect("a message").len()
                                })
                                .await;
                            Ok::<_, Status>(tonic::Response::new(size.to_string()))
                        }
                    });
                    grpc.client_streaming(count, request).await
                }
                _ => Status::unimplemented(path).into_http(),
            })
        }
        .boxed()
    }
}

type Messages = stream::BoxStream<'static, Result<String, Status>>;

async fn unary(request: tonic::Request<String>) -> Result<tonic::Response<String>, Status> {
    Ok(tonic::Response::new(format!("reply for {}", request.into_inner())))
}

/// Sends the message three times.
async fn repeat(request: tonic::Request<String>) -> Result<tonic::Response<Messages>, Status> {
    let message = request.into_inner();
    Ok(tonic::Response::new(stream::iter(vec![Ok(message); 3]).boxed()))
}

/// Joins all messages, after the end of the request.
async fn join(
    request: tonic::Request<Streaming<String>>,
) -> Result<tonic::Response<String>, Status> {
    let mut messages = request.into_inner();
    let mut joined = String::new();
    while let Some(message) = messages.message().await? {
        joined += &message;
    }
    Ok(tonic::Response::new(joined))
}

/// Sends each message back at once.
async fn echo(
    request: tonic::Request<Streaming<String>>,
) -> Result<tonic::Response<Messages>, Status> {
    Ok(tonic::Response::new(request.into_inner().boxed()))
}

/// Ends the call without reading the request.
async fn refuse(_: tonic::Request<Streaming<String>>) -> Result<tonic::Response<Messages>, Status> {
    Err(Status::permission_denied("refused"))
}

/// A client of [`Echo`].
pub(crate) struct Client(Grpc<Channel>);

impl Client {
    pub(crate) fn new(channel: Channel) -> Self {
        Self(Grpc::new(channel))
    }

    pub(crate) async fn unary(
        &mut self,
        request: tonic::Request<String>,
    ) -> Result<tonic::Response<String>, Status> {
        let path = "/test.Echo/Unary".parse().expect("a path");
        self.0.unary(request, path, ProstCodec::<String, String>::default()).await
    }

    pub(crate) async fn repeat(&mut self, message: &str) -> Result<Streaming<String>, Status> {
        let path = "/test.Echo/Repeat".parse().expect("a path");
        let request = tonic::Request::new(message.to_owned());
        let codec = ProstCodec::<String, String>::default();
        Ok(self.0.server_streaming(request, path, codec).await?.into_inner())
    }

    /// Calls the client streaming method of this name.
    pub(crate) async fn send_all(
        &mut self,
        method: &str,
        messages: impl stream::Stream<Item = String> + Send + 'static,
    ) -> Result<String, Status> {
        let path = format!("/test.Echo/{method}").parse().expect("a path");
        let codec = ProstCodec::<String, String>::default();
        let request = tonic::Request::new(messages);
        Ok(self.0.client_streaming(request, path, codec).await?.into_inner())
    }

    /// Calls the bidirectional method of this name.
    pub(crate) async fn exchange(
        &mut self,
        method: &str,
        request: tonic::Request<ReceiverStream<String>>,
    ) -> Result<Streaming<String>, Status> {
        let path = format!("/test.Echo/{method}").parse().expect("a path");
        let codec = ProstCodec::<String, String>::default();
        Ok(self.0.streaming(request, path, codec).await?.into_inner())
    }
}
