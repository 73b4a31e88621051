//! The calls that the layers of a service see and refuse.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use chassis::Context;
use futures_util::stream::{BoxStream, StreamExt};
use orders::proto::acme::orders::v1::{
    ChatMessage, GetOrderRequest, ImportOrdersResponse, Order, PlaceOrderRequest,
    PlaceOrderResponse, WatchOrdersRequest,
    orders_client::OrdersClient,
    orders_server::{Orders, OrdersServer},
};
use tokio_stream::iter;
use tonic::{
    Code, Request, Response, Result, Status, Streaming,
    codec::CompressionEncoding,
    service::{InterceptorLayer, interceptor::InterceptedService},
    transport::Channel,
};

use crate::support::{InProcess, chat, client, connect, get, place, watch};

type AddHeader = Box<dyn FnMut(Request<()>) -> Result<Request<()>> + Send + Sync>;
type Client = OrdersClient<InterceptedService<Channel, AddHeader>>;

/// Returns a client that sends this header, and compresses if `gzip`.
fn client_with(channel: Channel, authorization: Option<&'static str>, gzip: bool) -> Client {
    let add_header: AddHeader = Box::new(move |mut request: Request<()>| {
        if let Some(value) = authorization {
            request.metadata_mut().insert("authorization", value.parse().expect("ASCII"));
        }
        Ok(request)
    });
    let client = OrdersClient::with_interceptor(channel, add_header);
    if gzip {
        let gzip = CompressionEncoding::Gzip;
        client.send_compressed(gzip).accept_compressed(gzip)
    } else {
        client
    }
}

/// Calls one method of each kind, and returns the code of each.
async fn codes(client: &mut Client) -> [Code; 4] {
    let code = |result: Result<()>| result.map_or_else(|status| status.code(), |()| Code::Ok);
    let unary = client.get_order(get(1)).await.map(drop);
    let server_stream = match client.watch_orders(watch(0)).await {
        Ok(orders) => orders.into_inner().message().await.map(drop),
        Err(status) => Err(status),
    };
    let client_stream = client.import_orders(iter([place("tea", 1)])).await.map(drop);
    let bidi = match client.chat(iter([chat("hello")])).await {
        Ok(answers) => answers.into_inner().message().await.map(drop),
        Err(status) => Err(status),
    };
    [code(unary), code(server_stream), code(client_stream), code(bidi)]
}

#[tokio::test]
async fn a_call_without_the_token_is_unauthenticated_whatever_its_kind_and_compression() {
    let server = InProcess::start(&[]);
    let mut allowed = client(&server.address).await;
    allowed.import_orders(iter([place("tea", 1)])).await.expect("it is placed");
    let channel = connect(&server.address).await;
    for gzip in [false, true] {
        for (authorization, code) in [
            (None, Code::Unauthenticated),
            (Some("Bearer"), Code::Unauthenticated),
            (Some("Bearer wrong"), Code::Unauthenticated),
            (Some("Bearer token of the test"), Code::Unauthenticated),
            (Some("Basic token of the tests"), Code::Unauthenticated),
            (Some("Bearer token of the tests"), Code::Ok),
        ] {
            let mut client = client_with(channel.clone(), authorization, gzip);
            assert_eq!(codes(&mut client).await, [code; 4], "{authorization:?} {gzip}");
        }
    }
    let mut orders = allowed.watch_orders(watch(1)).await.expect("a stream").into_inner();
    for id in 2..=3 {
        assert_eq!(orders.message().await.expect("no error").expect("an order").id, id);
    }
    let placed = allowed.get_order(get(4)).await.expect_err("only two imports had the token");
    assert_eq!(placed.code(), Code::NotFound);
}

/// The values of the header `x-caller` that each place has seen in calls of each method.
type Seen = Arc<Mutex<BTreeMap<(&'static str, String), Vec<String>>>>;

fn note<T>(seen: &Seen, place: &'static str, request: &Request<T>) {
    let method = Context::of(request.extensions()).method().name().to_owned();
    let caller = request.metadata().get("x-caller").expect("a header").to_str().expect("text");
    seen.lock().expect("no panic").entry((place, method)).or_default().push(caller.to_owned());
}

/// A service whose handlers note their calls.
struct Noting(Seen);

#[tonic::async_trait]
impl Orders for Noting {
    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<Order>> {
        note(&self.0, "handler", &request);
        Ok(Response::new(Order::default()))
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
        request: Request<WatchOrdersRequest>,
    ) -> Result<Response<Self::WatchOrdersStream>> {
        note(&self.0, "handler", &request);
        Ok(Response::new(iter([Ok(Order::default())]).boxed()))
    }

    async fn import_orders(
        &self,
        request: Request<Streaming<PlaceOrderRequest>>,
    ) -> Result<Response<ImportOrdersResponse>> {
        note(&self.0, "handler", &request);
        Ok(Response::new(ImportOrdersResponse::default()))
    }

    type ChatStream = BoxStream<'static, Result<ChatMessage>>;

    async fn chat(
        &self,
        request: Request<Streaming<ChatMessage>>,
    ) -> Result<Response<Self::ChatStream>> {
        note(&self.0, "handler", &request);
        Ok(Response::new(request.into_inner().boxed()))
    }
}

#[tokio::test]
async fn layers_and_handlers_see_the_metadata_of_every_call() {
    let seen = Seen::default();
    let (in_layer, in_handler) = (Arc::clone(&seen), Arc::clone(&seen));
    let around_one = Arc::clone(&seen);
    let service = chassis::service!()
        .layer(|_| {
            InterceptorLayer::new(move |request: Request<()>| {
                note(&in_layer, "layer", &request);
                Ok(request)
            })
        })
        .grpc(|_| {
            OrdersServer::with_interceptor(Noting(in_handler), move |request: Request<()>| {
                note(&around_one, "interceptor", &request);
                Ok(request)
            })
        });
    let server = InProcess::start_other(service, &[]);
    let channel = connect(&server.address).await;
    for (caller, gzip) in [("plain", false), ("gzip", true)] {
        let add_header: AddHeader = Box::new(move |mut request: Request<()>| {
            request.metadata_mut().insert("x-caller", caller.parse().expect("ASCII"));
            Ok(request)
        });
        let mut client = OrdersClient::with_interceptor(channel.clone(), add_header);
        if gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
            client = client.accept_compressed(CompressionEncoding::Gzip);
        }
        assert_eq!(codes(&mut client).await, [Code::Ok; 4]);
    }
    let seen = seen.lock().expect("no panic");
    for place in ["layer", "interceptor", "handler"] {
        for method in ["GetOrder", "WatchOrders", "ImportOrders", "Chat"] {
            let callers = seen.get(&(place, method.to_owned()));
            assert_eq!(callers.expect(place), &["plain", "gzip"], "{place} {method}");
        }
    }
}
