//! The channel of this project with a generated client, and grpcio as its server.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use channel::{Channel, MAX_ATTEMPTS, Target, user_agent};
use futures_util::{
    FutureExt, StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, Stream},
};
use orders::proto::acme::orders::v1::{ChatMessage, Order, orders_client::OrdersClient};
use tokio::sync::mpsc;
use tokio_stream::{iter, wrappers::ReceiverStream};
use tonic::{Code, Request, Result, Status};

use crate::support::{NEVER, TOKEN, add_token, chat, get, place, process::Log, python, watch};

type Client = OrdersClient<Channel>;

const METHODS: [&str; 4] = ["Chat", "GetOrder", "ImportOrders", "WatchOrders"];

/// A process of `python/server.py`. It is killed when it is dropped.
struct Server {
    child: Child,
    log: Log,
    channel: Channel,
}

impl Server {
    /// Returns `None` if this machine has no Python for it.
    async fn start() -> Option<Self> {
        let mut script = python::script("server.py")?;
        let script = script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = script.spawn().expect("Python runs");
        let log = Log::of(&mut child);
        let listening = log.wait_for("listening");
        let address = listening["address"].as_str().expect("an address");
        let channel = Channel::new(&Target {
            address: address.parse().expect("an address"),
            tls: None,
            timeout: NEVER,
            wait_for_ready: false,
            max_attempts: MAX_ATTEMPTS,
            user_agent: user_agent("orders", "1.0"),
            tracing: None,
            balance: channel::Balance::default(),
            outlier_detection: None,
        });
        channel.connected().await.expect("it listens");
        Some(Self { child, log, channel })
    }

    fn client(&self) -> Client {
        OrdersClient::new(self.channel.clone())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a request for a scenario of `python/server.py`.
fn scenario<T>(scenario: &'static str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("scenario", scenario.parse().expect("ASCII"));
    request
}

/// A stream of requests that does not end.
fn endless<T: Send + 'static>(messages: Vec<T>) -> impl Stream<Item = T> + Send + 'static {
    iter(messages).chain(stream::pending())
}

fn texts(messages: Vec<ChatMessage>) -> Vec<String> {
    messages.into_iter().map(|message| message.text).collect()
}

fn ids(orders: &[Order]) -> Vec<u64> {
    orders.iter().map(|order| order.id).collect()
}

/// Calls a method of each kind, which waits in the server. The streams of requests do not end.
fn calls_that_wait(
    client: &Client,
    timeout: Option<Duration>,
) -> Vec<BoxFuture<'static, Result<()>>> {
    fn waits<T>(message: T, timeout: Option<Duration>) -> Request<T> {
        let mut request = scenario("wait", message);
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        request
    }
    let [mut unary, mut watching, mut importing, mut chatting] =
        std::array::from_fn(|_| client.clone());
    vec![
        async move { unary.get_order(waits(get(1), timeout)).await.map(drop) }.boxed(),
        async move {
            let orders = watching.watch_orders(waits(watch(0), timeout)).await?.into_inner();
            orders.try_for_each(async |_| Ok(())).await
        }
        .boxed(),
        async move {
            let orders = endless(vec![place("tea", 1); 2]);
            importing.import_orders(waits(orders, timeout)).await.map(drop)
        }
        .boxed(),
        async move {
            let messages = endless(vec![chat("hello"); 2]);
            let answers = chatting.chat(waits(messages, timeout)).await?.into_inner();
            answers.try_for_each(async |_| Ok(())).await
        }
        .boxed(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpcio_server_responds_to_calls_of_all_four_kinds() {
    let Some(server) = Server::start().await else { return };
    let mut client = server.client();
    let order = client.get_order(get(7)).await.expect("a response").into_inner();
    assert_eq!((order.id, order.item.as_str()), (7, "tea"));

    let orders = client.watch_orders(watch(7)).await.expect("a response").into_inner();
    let orders: Vec<_> = orders.try_collect().await.expect("OK");
    assert_eq!(ids(&orders), [8, 9, 10]);

    // More than a flow-control window of 64 KiB.
    let item = "x".repeat(1_000);
    let summary = client.import_orders(iter(vec![place(&item, 1); 300])).await;
    assert_eq!(summary.expect("a response").into_inner().placed, 300);

    let messages = [String::new(), "日本語".to_owned(), "x".repeat(1 << 20)];
    let requests = iter(messages.clone().map(|text| ChatMessage { text }));
    let answers = client.chat(requests).await.expect("a response").into_inner();
    let answers = texts(answers.try_collect().await.expect("OK"));
    assert_eq!(answers[..3], messages);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpcio_server_sees_the_metadata_of_an_interceptor() {
    let Some(server) = Server::start().await else { return };
    let mut client = OrdersClient::with_interceptor(server.channel.clone(), add_token);
    let response = client.place_order(place("tea", 1)).await.expect("a response");
    assert_eq!(response.into_inner().greeting, format!("Bearer {TOKEN}"));

    let refuse = |_: Request<()>| Err::<Request<()>, _>(Status::permission_denied("no token"));
    let mut client = OrdersClient::with_interceptor(server.channel.clone(), refuse);
    let status = client.place_order(place("tea", 1)).await.expect_err("it is refused");
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "no token"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpcio_server_responds_after_the_half_close_of_the_client() {
    let Some(server) = Server::start().await else { return };
    let mut client = server.client();
    let (orders, requests) = mpsc::channel(1);
    let mut importer = client.clone();
    let importing =
        tokio::spawn(async move { importer.import_orders(ReceiverStream::new(requests)).await });
    for item in ["tea", "milk"] {
        orders.send(place(item, 1)).await.expect("the call");
        // Each message arrives while the call is open.
        assert_eq!(server.log.wait_for("received")["item"], item);
    }
    assert!(!importing.is_finished());
    drop(orders);
    server.log.wait_for("half-closed");
    let summary = importing.await.expect("no panic").expect("a response");
    assert_eq!(summary.into_inner().placed, 2);

    let (messages, requests) = mpsc::channel(1);
    // grpcio sends the headers with its first message, so the first request comes before them.
    messages.send(chat("one")).await.expect("a buffer");
    let requests = ReceiverStream::new(requests);
    let mut answers = client.chat(requests).await.expect("a response").into_inner();
    assert_eq!(answers.message().await.expect("no error"), Some(chat("one")));
    for text in ["two", "three"] {
        messages.send(chat(text)).await.expect("the call");
        assert_eq!(answers.message().await.expect("no error"), Some(chat(text)));
    }
    drop(messages);
    assert_eq!(answers.message().await.expect("no error"), Some(chat("3 messages")));
    assert_eq!(answers.message().await.expect("OK"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_a_grpcio_server_arrives_after_its_messages() {
    let Some(server) = Server::start().await else { return };
    let mut client = server.client();
    let check = |status: &Status| {
        assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
        assert_eq!(status.message(), "ausverkauft: 売り切れ");
        assert_eq!(status.metadata().get("reason").expect("trailing metadata"), "a test");
    };
    check(&client.get_order(scenario("fail", get(1))).await.expect_err("it fails"));

    let orders = client.watch_orders(scenario("fail", watch(0))).await.expect("a response");
    let mut orders = orders.into_inner();
    for id in [1, 2, 3] {
        assert_eq!(orders.message().await.expect("a message").expect("a message").id, id);
    }
    check(&orders.message().await.expect_err("it fails"));

    // In these calls, the client is still sending.
    let requests = endless(vec![place("tea", 1); 2]);
    let status = client.import_orders(scenario("fail", requests)).await;
    check(&status.expect_err("it fails"));

    let requests = endless(vec![chat("one"), chat("two")]);
    let answers = client.chat(scenario("fail", requests)).await.expect("a response");
    let mut answers = answers.into_inner();
    for text in ["one", "two"] {
        assert_eq!(answers.message().await.expect("a message"), Some(chat(text)));
    }
    check(&answers.message().await.expect_err("it fails"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpcio_server_learns_that_a_call_is_cancelled() {
    let Some(server) = Server::start().await else { return };
    let client = OrdersClient::new(server.channel.without_deadline());
    let (mut methods, mut peers) = (Vec::new(), Vec::new());
    for call in calls_that_wait(&client, None) {
        let call = tokio::spawn(call);
        let begun = server.log.wait_for("begun");
        call.abort();
        let ended = server.log.wait_for("ended");
        assert_eq!((&ended["method"], &ended["active"]), (&begun["method"], &false.into()));
        assert!(call.await.expect_err("it is aborted").is_cancelled());
        methods.push(begun["method"].as_str().expect("text").to_owned());
        peers.push(begun["peer"].clone());
    }
    methods.sort();
    assert_eq!(methods, METHODS);
    // A cancellation ends a stream and not the connection.
    peers.dedup();
    assert_eq!(peers.len(), 1, "{peers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_reaches_a_grpcio_server_and_ends_calls_of_all_four_kinds() {
    let Some(server) = Server::start().await else { return };
    let calls = calls_that_wait(&server.client(), Some(Duration::from_secs(1)));
    let calls: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
    for _ in METHODS {
        let begun = server.log.wait_for("begun");
        let remaining = begun["remaining"].as_f64().expect("a number");
        assert!((0.0..=1.0).contains(&remaining), "{begun}");
    }
    for call in calls {
        let status = call.await.expect("no panic").expect_err("its deadline passes");
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    }
    let ended = METHODS.map(|_| server.log.wait_for("ended"));
    let mut methods = ended.each_ref().map(|ended| ended["method"].as_str().expect("text"));
    methods.sort_unstable();
    assert_eq!(methods, METHODS);
    assert!(ended.iter().all(|ended| ended["active"] == false), "{ended:?}");
}
