//! Start, readiness, background tasks and the drain.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use orders::{
    proto::acme::orders::v1::{
        ChatMessage, GetOrderRequest, ImportOrdersResponse, Order, PlaceOrderRequest,
        PlaceOrderResponse, WatchOrdersRequest,
        orders_client::OrdersClient,
        orders_server::{self, OrdersServer},
    },
    service::Orders,
    store::Store,
};
use tokio::sync::{Notify, mpsc};
use tokio_stream::{iter, wrappers::ReceiverStream};
use tonic::{Code, Request, Response, Result, Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus::{NotServing, Serving};

use crate::support::{
    InProcess, NEVER, chat, client, connect, get, health, place,
    process::{BINARY, Process, command},
    wait_for_health, watch,
};

const SERVICE: &str = "acme.orders.v1.Orders";

#[tokio::test]
async fn until_the_store_is_open_the_service_is_not_ready_and_calls_are_refused_with_a_hint() {
    let open = Arc::new(Notify::new());
    let opened = Arc::clone(&open);
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("orders.redb");
    let service = chassis::service!()
        .start(async move |app| {
            let readiness = app.readiness("store");
            opened.notified().await;
            Store::open(path, readiness).await
        })
        .grpc(|app| OrdersServer::new(Orders(app.dependencies().clone())));
    let server = InProcess::start_other(service, &[]);
    let channel = connect(&server.address).await;
    for name in ["", SERVICE] {
        assert_eq!(health(channel.clone(), name).await, NotServing, "{name:?}");
    }
    assert_eq!(health(channel.clone(), "liveness").await, Serving);
    let mut client = OrdersClient::new(channel.clone());
    let unary = client.get_order(get(1)).await.expect_err("it starts");
    let stream = client.watch_orders(watch(0)).await.expect_err("it starts");
    for status in [unary, stream] {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        let pushback = status.metadata().get("grpc-retry-pushback-ms").expect("a retry hint");
        let milliseconds: u64 = pushback.to_str().expect("text").parse().expect("a number");
        assert!(milliseconds > 0);
    }

    open.notify_one();
    for name in ["", SERVICE] {
        wait_for_health(channel.clone(), name, Serving).await;
    }
    let status = client.get_order(get(1)).await.expect_err("nothing was placed");
    assert_eq!(status.code(), Code::NotFound);
    assert!(server.stop().await.0.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_makes_the_service_not_ready_and_leaves_it_alive() {
    // The file of the store cannot grow beyond 4 MiB; the signal for it is ignored.
    let script = format!("trap '' XFSZ; ulimit -f 4096; exec {BINARY} serve");
    let server = Process::start_command(&mut command("sh", &["-c", &script]), &[]);
    let mut client = client(&server.address).await;
    let item = "x".repeat(100);
    let start = Instant::now();
    let status = loop {
        let orders = vec![place(&item, 1); 10_000];
        match client.import_orders(iter(orders)).await {
            Ok(_) => assert!(start.elapsed() < NEVER, "the store never fails"),
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the store failed"));
    let channel = connect(&server.address).await;
    for name in ["", SERVICE] {
        wait_for_health(channel.clone(), name, NotServing).await;
    }
    assert_eq!(health(channel, "liveness").await, Serving);
    let (report, status) = server.terminate();
    assert_eq!((status.code(), &report["clean"]), (Some(0), &true.into()), "{report}");
}

#[tokio::test]
async fn a_background_task_that_panics_ends_alone() {
    let service = chassis::service!()
        .start(async |app| {
            app.spawn("panics", async { panic!("a test") });
            Ok(())
        })
        .grpc(|_| OrdersServer::new(Deaf));
    let server = InProcess::start_other(service, &[]);
    let mut client = OrdersClient::new(connect(&server.address).await);
    client.get_order(get(1)).await.expect("it is served");
    let (report, _) = server.stop().await;
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test]
async fn a_background_task_that_does_not_end_is_cut_at_the_bound() {
    let service = chassis::service!()
        .start(async |app| {
            app.spawn("endless", std::future::pending());
            Ok(())
        })
        .grpc(|_| OrdersServer::new(Deaf));
    let server = InProcess::start_other(service, &[("shutdown.drain", "200ms")]);
    let (report, _) = server.stop().await;
    assert_eq!((report.tasks_cut, report.is_clean()), (1, false), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_sigterm_each_open_stream_ends_with_its_status_and_the_process_with_0() {
    let server = Process::start(&[]);
    let mut client = client(&server.address).await;
    let mut orders = client.watch_orders(watch(0)).await.expect("a stream").into_inner();
    let (messages, requests) = mpsc::channel(1);
    let chatting = client.chat(ReceiverStream::new(requests)).await.expect("a stream");
    let mut answers = chatting.into_inner();
    messages.send(chat("hello")).await.expect("it is sent");
    answers.message().await.expect("no error").expect("an answer");
    let (import, imported) = mpsc::channel(1);
    import.send(place("tea", 1)).await.expect("it is sent");
    let mut importer = client.clone();
    let importing =
        tokio::spawn(async move { importer.import_orders(ReceiverStream::new(imported)).await });
    orders.message().await.expect("no error").expect("the order that was imported");

    let start = Instant::now();
    let stopped = tokio::task::spawn_blocking(|| server.terminate());
    let status = orders.message().await.expect_err("it is told");
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the server shuts down"));
    assert!(answers.message().await.expect("OK").is_none());
    let status = importing.await.expect("no panic").expect_err("it is told");
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the server shuts down"));
    let (report, status) = stopped.await.expect("no panic");
    assert_eq!((status.code(), &report["clean"]), (Some(0), &true.into()), "{report}");
    assert_eq!((&report["in_flight"], &report["cut"]), (&3.into(), &0.into()), "{report}");
    assert!(start.elapsed() < Duration::from_secs(15), "the bound is 20 s: {report}");
}

#[tokio::test]
async fn streams_that_ignore_the_drain_end_with_unavailable_at_its_bound() {
    let service = chassis::service!().grpc(|_| OrdersServer::new(Deaf));
    let server = InProcess::start_other(service, &[("shutdown.drain", "300ms")]);
    let mut client = OrdersClient::new(connect(&server.address).await);
    let mut orders = client.watch_orders(watch(0)).await.expect("a stream").into_inner();
    let (_messages, requests) = mpsc::channel(1);
    let chatting = client.chat(ReceiverStream::new(requests)).await.expect("a stream");
    let mut answers = chatting.into_inner();
    let (_import, imported) = mpsc::channel(1);
    let mut importer = client.clone();
    let importing =
        tokio::spawn(async move { importer.import_orders(ReceiverStream::new(imported)).await });
    orders.message().await.expect("no error").expect("the first order");
    tokio::time::sleep(Duration::from_millis(100)).await;

    let stopped = tokio::spawn(server.stop());
    for status in [
        orders.message().await.expect_err("it is cut"),
        answers.message().await.expect_err("it is cut"),
        importing.await.expect("no panic").expect_err("it is cut"),
    ] {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
    let (report, _) = stopped.await.expect("no panic");
    assert_eq!((report.in_flight, report.cut, report.is_clean()), (3, 3, false), "{report:?}");
}

/// A service whose streams do not end when the server drains.
struct Deaf;

#[tonic::async_trait]
impl orders_server::Orders for Deaf {
    async fn get_order(&self, _: Request<GetOrderRequest>) -> Result<Response<Order>> {
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
        _: Request<WatchOrdersRequest>,
    ) -> Result<Response<Self::WatchOrdersStream>> {
        Ok(Response::new(iter([Ok(Order::default())]).chain(stream::pending()).boxed()))
    }

    async fn import_orders(
        &self,
        _: Request<Streaming<PlaceOrderRequest>>,
    ) -> Result<Response<ImportOrdersResponse>> {
        std::future::pending().await
    }

    type ChatStream = BoxStream<'static, Result<ChatMessage>>;

    async fn chat(&self, _: Request<Streaming<ChatMessage>>) -> Result<Response<Self::ChatStream>> {
        Ok(Response::new(stream::pending().boxed()))
    }
}
