//! Many streams that are open at once.

use std::time::{Duration, Instant};

use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    alone, p99,
    support::{Client, chat, client, connect, get, process::Process, watch, with_token},
};
use orders::proto::acme::orders::v1::{ChatMessage, Order};

const CONNECTIONS: usize = 10;
const SAMPLES: usize = 500;

/// Streams with connections of their own.
#[derive(Default)]
struct Open {
    watches: Vec<Streaming<Order>>,
    chats: Vec<(mpsc::Sender<ChatMessage>, Streaming<ChatMessage>)>,
}

impl Open {
    /// Opens `count` streams: half of them watch, half of them chat.
    async fn new(address: &str, count: usize) -> Self {
        let mut opening = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let mut client = with_token(connect(address).await);
            opening.spawn(async move { open(&mut client, count / CONNECTIONS / 2).await });
        }
        let mut all = Self::default();
        while let Some(open) = opening.join_next().await {
            let mut open = open.expect("no panic");
            all.watches.append(&mut open.watches);
            all.chats.append(&mut open.chats);
        }
        all
    }
}

async fn open(client: &mut Client, pairs: usize) -> Open {
    let mut open = Open::default();
    for _ in 0..pairs {
        let orders = client.watch_orders(watch(1_000_000)).await.expect("a stream");
        open.watches.push(orders.into_inner());
        let (messages, requests) = mpsc::channel(1);
        messages.send(chat("hello")).await.expect("there is room");
        let answers = client.chat(ReceiverStream::new(requests)).await.expect("a stream");
        let mut answers = answers.into_inner();
        answers.message().await.expect("no error").expect("an answer");
        open.chats.push((messages, answers));
    }
    open
}

/// Returns the 99th percentile of the time of a health check, while unary calls are made.
async fn health_p99(channel: Channel, client: &mut Client) -> Duration {
    let mut health = HealthClient::new(channel);
    let mut times = Vec::new();
    for _ in 0..SAMPLES {
        let start = Instant::now();
        health.check(HealthCheckRequest::default()).await.expect("health is served");
        times.push(start.elapsed());
        let status = client.get_order(get(1)).await.expect_err("nothing was placed");
        assert_eq!(status.code(), Code::NotFound, "{status}");
    }
    p99(times)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_10_000_open_streams_health_and_unary_calls_are_served() {
    let _alone = alone().await;
    let server = Process::start(&[("streaming.limit", "10000"), ("limits.streams", "2000")]);
    let mut client = client(&server.address).await;
    let channel = connect(&server.address).await;
    let before = health_p99(channel.clone(), &mut client).await;
    let start = Instant::now();
    let memory = server.memory();
    let mut open = Open::new(&server.address, 10_000).await;
    let each = server.memory().saturating_sub(memory) / 10_000;
    println!("10,000 streams are open after {:?}: {each} bytes for each", start.elapsed());

    let after = health_p99(channel, &mut client).await;
    println!("p99 of health: {before:?} before, {after:?} with 10,000 streams");
    let limit = Duration::from_millis(50).max(before * 10);
    assert!(after < limit, "{after:?}, and before {before:?}");

    let refused = client.watch_orders(watch(0)).await.expect_err("the limit is reached");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.metadata().contains_key("grpc-retry-pushback-ms"));
    for (messages, answers) in open.chats.iter_mut().step_by(500) {
        messages.send(chat("still there")).await.expect("it is open");
        answers.message().await.expect("no error").expect("an answer");
    }
    assert_eq!(open.watches.len() + open.chats.len(), 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_sigterm_each_of_1_000_open_streams_ends_with_a_status() {
    let _alone = alone().await;
    let server = Process::start(&[]);
    client(&server.address).await;
    let open = Open::new(&server.address, 1_000).await;
    let stopped = tokio::task::spawn_blocking(|| {
        let start = Instant::now();
        let (report, status) = server.terminate();
        (report, status, start.elapsed())
    });
    for mut orders in open.watches {
        let status = orders.message().await.expect_err("it is told");
        let told = (status.code(), status.message());
        assert_eq!(told, (Code::Unavailable, "the server shuts down"));
    }
    for (_messages, mut answers) in open.chats {
        assert!(answers.message().await.expect("OK").is_none());
    }
    let (report, status, took) = stopped.await.expect("no panic");
    println!("1,000 streams ended in {took:?}: {report}");
    assert_eq!((status.code(), &report["clean"]), (Some(0), &true.into()), "{report}");
    let counts = ["in_flight", "finished", "cut"].map(|count| report[count].as_u64());
    assert_eq!(counts, [Some(1_000), Some(1_000), Some(0)], "{report}");
    assert!(took < Duration::from_secs(20), "the bound is 20 s: {took:?}");
}
