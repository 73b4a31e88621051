//! `max_workers` is one concurrency limit for the process, and health does not wait for it.

use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use tokio::task::JoinSet;

use crate::support::{
    in_process::{InProcess, client, connect, request},
    process::{ServerProcess, run},
};

#[tokio::test(flavor = "multi_thread")]
async fn health_responds_while_every_worker_is_busy() {
    let patient = [("SAMPLE__QUEUE__TIMEOUT", "1h")];
    let server = ServerProcess::with(&patient, &["--work", "1h", "--log-level", "debug"]);
    let mut callers = Vec::new();
    for _ in 0..4 {
        let channel = connect(&server.address).await;
        for _ in 0..5 {
            let mut client = client(channel.clone());
            callers.push(tokio::spawn(async move { client.call(request("busy")).await }));
        }
    }
    for _ in 0..5 {
        server.wait_for_event("request : busy");
    }

    // If health waited for a worker, it would wait for an hour.
    let output = server.run(&["health", "--timeout", "30s"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(callers.iter().all(|caller| !caller.is_finished()));
}

/// The server reads the messages of queued calls. Unread, they would fill the flow control window
/// of the connection, and the messages of running calls would never arrive.
#[tokio::test(flavor = "multi_thread")]
async fn large_messages_of_queued_calls_do_not_block_running_calls() {
    let server = InProcess::start(&[("service.work", "1ms"), ("queue.timeout", "1h")]).await;
    let channel = server.connect().await;
    let message = "x".repeat(300_000);
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let (mut client, message) = (client(channel.clone()), message.clone());
        calls.spawn(async move { client.call(request(&message)).await });
    }
    for response in calls.join_all().await {
        response.expect("queue and workers have room for every call");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unspecified_address_includes_ipv4() {
    let server = ServerProcess::start(&["--address", "[::]:0"]);
    let (_, port) = server.address.rsplit_once(':').expect("an address");
    let output = run(&["call", "--address", &format!("127.0.0.1:{port}")]);
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_share_the_concurrency_limit() {
    let server = InProcess::start(&[
        ("server.max_workers", "1"),
        ("service.work", "1h"),
        ("queue.timeout", "1h"),
    ])
    .await;
    let mut busy = client(server.connect().await);
    let busy = tokio::spawn(async move { busy.call(request("busy")).await });
    let mut health = HealthClient::new(server.connect().await);

    // A call of another connection waits, although health responds meanwhile.
    let mut second = client(server.connect().await);
    let second = tokio::spawn(async move { second.call(request("waits")).await });
    for _ in 0..100 {
        health.check(HealthCheckRequest::default()).await.expect("health responds");
    }
    assert!(!busy.is_finished() && !second.is_finished());
}
