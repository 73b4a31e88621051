//! `max_workers` is one limit for the process, and health does not wait behind it.

use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use tokio::task::JoinSet;

use crate::support::{
    InProcess, client, connect,
    process::{ServerProcess, run},
    request,
};

#[tokio::test(flavor = "multi_thread")]
async fn health_is_answered_while_every_worker_is_busy() {
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

    // It waits behind no call, or it would wait for an hour.
    let output = server.run(&["health", "--timeout", "30s"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(callers.iter().all(|caller| !caller.is_finished()));
}

/// Calls that wait have their messages read: unread, they would fill the window
/// of the connection, and the calls at work would wait for theirs for ever.
#[tokio::test(flavor = "multi_thread")]
async fn large_messages_of_calls_that_wait_do_not_block_those_at_work() {
    let server = InProcess::start(&[("service.work", "1ms"), ("queue.timeout", "1h")]).await;
    let channel = server.connect().await;
    let message = "x".repeat(300_000);
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let (mut client, message) = (client(channel.clone()), message.clone());
        calls.spawn(async move { client.call(request(&message)).await });
    }
    for answer in calls.join_all().await {
        answer.expect("it fits into queue and workers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_is_every_address_of_ipv4_too() {
    let server = ServerProcess::start(&["--address", "[::]:0"]);
    let (_, port) = server.address.rsplit_once(':').expect("an address");
    let output = run(&["call", "--address", &format!("127.0.0.1:{port}")]);
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_share_the_limit() {
    let server = InProcess::start(&[
        ("server.max_workers", "1"),
        ("service.work", "1h"),
        ("queue.timeout", "1h"),
    ])
    .await;
    let mut busy = client(server.connect().await);
    let busy = tokio::spawn(async move { busy.call(request("busy")).await });
    let mut health = HealthClient::new(server.connect().await);

    // Another connection's call waits, however often health is answered meanwhile.
    let mut second = client(server.connect().await);
    let second = tokio::spawn(async move { second.call(request("waits")).await });
    for _ in 0..100 {
        health.check(HealthCheckRequest::default()).await.expect("health answers");
    }
    assert!(!busy.is_finished() && !second.is_finished());
}
