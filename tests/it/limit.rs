//! `max_workers` is one limit for the process, and health does not wait behind it.

use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{InProcess, client, connect, process::ServerProcess, request};

#[tokio::test(flavor = "multi_thread")]
async fn health_is_answered_while_every_worker_is_busy() {
    let server = ServerProcess::start(&["--work", "1h", "--log-level", "debug"]);
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

#[tokio::test(flavor = "multi_thread")]
async fn connections_share_the_limit() {
    let server = InProcess::start(&[("server.max_workers", "1"), ("service.work", "1h")]).await;
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
