//! The replacement of one of two servers under load.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use channel::Target;
use orders::proto::acme::orders::v1::orders_client::OrdersClient;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Response, Result, Status, Streaming, service::interceptor::InterceptedService,
};

use crate::{
    alone,
    support::{add_token, chat, get, place, process::Process, watch},
};

type Client = OrdersClient<
    InterceptedService<channel::Channel, fn(Request<()>) -> Result<Request<()>, Status>>,
>;

/// How long a stream lasts.
const LONG: Duration = Duration::from_millis(100);

/// How the calls of each kind have ended.
type Ends = Arc<Mutex<BTreeMap<(&'static str, String), u64>>>;

fn count(ends: &Ends, kind: &'static str, status: Option<&Status>) {
    let end = match status {
        None => "OK".to_owned(),
        Some(status) if status.code() == Code::Unavailable => "UNAVAILABLE".to_owned(),
        Some(status) => format!("{:?}: {}", status.code(), status.message()),
    };
    *ends.lock().expect("no panic").entry((kind, end)).or_default() += 1;
}

/// Returns a stream of these messages with time between them.
fn slowly<T: Send + 'static, const N: usize>(messages: [T; N]) -> ReceiverStream<T> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for message in messages {
            // The call may have ended.
            let _ = sender.send(message).await;
            sleep(LONG / 5).await;
        }
    });
    ReceiverStream::new(receiver)
}

/// Reads a response to its end.
async fn read<T>(response: Response<Streaming<T>>) -> Result<()> {
    let mut messages = response.into_inner();
    while messages.message().await?.is_some() {}
    Ok(())
}

/// Calls one method again and again, until `stop`.
async fn call(mut client: Client, kind: &'static str, ends: Ends, stop: Arc<AtomicBool>) {
    while !stop.load(Relaxed) {
        let result = match kind {
            "unary" => match client.get_order(get(1)).await {
                // The replacement has no orders yet.
                Err(status) if status.code() == Code::NotFound => Ok(()),
                result => result.map(drop),
            },
            "server stream" => match client.watch_orders(watch(0)).await {
                // A watch does not end by itself, so the client cancels it after a time.
                Ok(orders) => timeout(LONG, read(orders)).await.unwrap_or(Ok(())),
                Err(status) => Err(status),
            },
            "client stream" => {
                client.import_orders(slowly([(); 5].map(|()| place("tea", 1)))).await.map(drop)
            }
            _ => match client.chat(slowly(["hello", "and", "bye"].map(chat))).await {
                Ok(answers) => read(answers).await,
                Err(status) => Err(status),
            },
        };
        count(&ends, kind, result.as_ref().err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_replaced_under_load_without_a_unary_call_that_fails() {
    let _alone = alone().await;
    let [first, second] = [(); 2].map(|()| Process::start(&[("shutdown.lame_duck", "300ms")]));
    first.wait_for("ready");
    second.wait_for("ready");
    let addresses = format!("{},{}", first.address, second.address);
    let channel = channel::Channel::new(&Target {
        address: addresses.parse().expect("two addresses"),
        tls: None,
        timeout: Duration::from_secs(10),
        wait_for_ready: false,
        max_attempts: channel::MAX_ATTEMPTS,
        user_agent: channel::user_agent("test", "1"),
        tracing: None,
        balance: channel::Balance::default(),
        outlier_detection: None,
    });
    channel.connected().await.expect("both run");
    let add_token: fn(Request<()>) -> Result<Request<()>, Status> = add_token;
    let client = OrdersClient::new(InterceptedService::new(channel, add_token));
    let (ends, stop) = (Ends::default(), Arc::new(AtomicBool::new(false)));
    let mut calls = JoinSet::new();
    for kind in ["unary", "server stream", "client stream", "bidi"] {
        for _ in 0..4 {
            calls.spawn(call(client.clone(), kind, Arc::clone(&ends), Arc::clone(&stop)));
        }
    }

    sleep(Duration::from_secs(1)).await;
    let address = first.address.clone();
    let stopped = tokio::task::spawn_blocking(|| first.terminate());
    let (report, status) = stopped.await.expect("no panic");
    assert_eq!((status.code(), &report["clean"]), (Some(0), &true.into()), "{report}");
    sleep(Duration::from_millis(500)).await;
    let replacement = Process::start(&[("server.address", &address)]);
    replacement.wait_for("ready");
    sleep(Duration::from_secs(2)).await;
    stop.store(true, Relaxed);
    while let Some(ended) = calls.join_next().await {
        ended.expect("no panic");
    }

    let ends = ends.lock().expect("no panic").clone();
    println!("{ends:#?}");
    for ((kind, end), count) in &ends {
        let expected = match *kind {
            "unary" => end == "OK",
            _ => end == "OK" || end == "UNAVAILABLE",
        };
        assert!(expected, "{count} calls ({kind}) ended with {end}");
    }
    for kind in ["unary", "server stream", "client stream", "bidi"] {
        assert!(ends.contains_key(&(kind, "OK".to_owned())), "no call of {kind} has ended with OK");
    }
    // The replacement has served calls too.
    let (report, _) = replacement.terminate();
    assert_ne!(report["connections"], 0, "{report}");
    drop(client);
}
