//! How soon the first message of a stream reaches the client.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::stream::{self, BoxStream, StreamExt};
use orders::proto::acme::orders::v1::{
    ChatMessage, GetOrderRequest, ImportOrdersResponse, Order, PlaceOrderRequest,
    PlaceOrderResponse, WatchOrdersRequest,
    orders_client::OrdersClient,
    orders_server::{Orders, OrdersServer},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Result, Status, Streaming,
    server::{Grpc, NamedService, ServerStreamingService},
    transport::{Channel, Server},
};
use tower::Service;

use crate::{
    alone, median,
    support::{InProcess, connect, watch},
};

const ROUNDS: usize = 300;

/// Sends one message, and then no more.
fn one() -> BoxStream<'static, Result<Order>> {
    stream::iter([Ok(Order::default())]).chain(stream::pending()).boxed()
}

struct One;

#[tonic::async_trait]
impl Orders for One {
    async fn get_order(&self, _: Request<GetOrderRequest>) -> Result<Response<Order>> {
        Err(Status::unimplemented(""))
    }

    async fn place_order(
        &self,
        _: Request<PlaceOrderRequest>,
    ) -> Result<Response<PlaceOrderResponse>> {
        Err(Status::unimplemented(""))
    }

    type WatchOrdersStream = BoxStream<'static, Result<Order>>;

    async fn watch_orders(
        &self,
        _: Request<WatchOrdersRequest>,
    ) -> Result<Response<Self::WatchOrdersStream>> {
        Ok(Response::new(one()))
    }

    async fn import_orders(
        &self,
        _: Request<Streaming<PlaceOrderRequest>>,
    ) -> Result<Response<ImportOrdersResponse>> {
        Err(Status::unimplemented(""))
    }

    type ChatStream = BoxStream<'static, Result<ChatMessage>>;

    async fn chat(&self, _: Request<Streaming<ChatMessage>>) -> Result<Response<Self::ChatStream>> {
        Err(Status::unimplemented(""))
    }
}

/// The same service on tonic's own server.
#[derive(Clone)]
struct Bare;

impl NamedService for Bare {
    const NAME: &'static str = "acme.orders.v1.Orders";
}

impl Service<http::Request<tonic::body::Body>> for Bare {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move {
            let codec = tonic_prost::ProstCodec::<Order, WatchOrdersRequest>::default();
            Ok(Grpc::new(codec).server_streaming(Bare, request).await)
        })
    }
}

impl ServerStreamingService<WatchOrdersRequest> for Bare {
    type Response = Order;
    type ResponseStream = BoxStream<'static, Result<Order>>;
    type Future = std::future::Ready<Result<Response<Self::ResponseStream>>>;

    fn call(&mut self, _: Request<WatchOrdersRequest>) -> Self::Future {
        std::future::ready(Ok(Response::new(one())))
    }
}

/// Opens a stream, and returns the time until its first message.
async fn time_to_first(client: &mut OrdersClient<Channel>) -> Duration {
    let start = Instant::now();
    let mut orders = client.watch_orders(watch(0)).await.expect("a stream").into_inner();
    orders.message().await.expect("no error").expect("a message");
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_message_of_a_stream_arrives_as_soon_as_with_bare_tonic() {
    let _alone = alone().await;
    let ours = InProcess::start_other(chassis::service!().grpc(|_| OrdersServer::new(One)), &[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let bare = listener.local_addr().expect("it is bound").to_string();
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(Server::builder().add_service(Bare).serve_with_incoming(incoming));

    let mut clients =
        [OrdersClient::new(connect(&ours.address).await), OrdersClient::new(connect(&bare).await)];
    let mut times = [Vec::new(), Vec::new()];
    // One after the other, so that a busy moment of the machine affects both.
    for _ in 0..ROUNDS {
        for (client, times) in clients.iter_mut().zip(&mut times) {
            times.push(time_to_first(client).await);
        }
    }
    let [ours, bare] = times.map(median);
    println!("first message: {ours:?}, bare tonic: {bare:?}");
    assert!(ours < bare * 3 + Duration::from_millis(1), "{ours:?} against {bare:?}");
}
