//! Flow control of streaming requests.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;

use crate::support::{Client, EchoServer};

const MESSAGE: usize = 64 << 10;
const COUNT: usize = 400;

#[tokio::test]
async fn a_server_that_does_not_read_stops_the_producer() {
    let server = EchoServer::start().await;
    let mut client = Client::new(server.channel());
    let (messages, stream) = mpsc::channel(1);
    let reads = server.echo.reads.clone();
    let produce = async move {
        let message = "x".repeat(MESSAGE);
        let mut sent = 0;
        // The producer is stopped if it waits this long.
        while timeout(Duration::from_millis(500), messages.send(message.clone())).await.is_ok() {
            sent += 1;
            assert!(sent * MESSAGE < 4 << 20, "the client buffers without bound");
        }
        reads.cancel();
        while sent < COUNT {
            messages.send(message.clone()).await.expect("the call");
            sent += 1;
        }
    };
    let (size, ()) = tokio::join!(client.send_all("Unread", ReceiverStream::new(stream)), produce);
    assert_eq!(size.expect("a response"), (COUNT * MESSAGE).to_string());
}

#[tokio::test]
async fn a_stream_that_is_always_ready_is_read_ahead_up_to_a_bound() {
    let server = EchoServer::start().await;
    let mut client = Client::new(server.channel());
    let produced = Arc::new(AtomicUsize::new(0));
    let counted = produced.clone();
    let messages = stream::iter(0..COUNT).map(move |_| {
        counted.fetch_add(1, Relaxed);
        "x".repeat(MESSAGE)
    });
    let call = tokio::spawn(async move { client.send_all("Unread", messages).await });
    // Waits until no message was produced for a while.
    let mut before = usize::MAX;
    while before != produced.load(Relaxed) || before == 0 {
        before = produced.load(Relaxed);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(before * MESSAGE < 8 << 20, "{before} messages");
    server.echo.reads.cancel();
    let size = call.await.expect("no panic").expect("a response");
    assert_eq!(size, (COUNT * MESSAGE).to_string());
}
