//! SIGTERM and SIGINT end the server without a failed call.

use rustix::process::Signal;
use tokio_stream::StreamExt;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{
    client, connect,
    process::{ServerProcess, run},
    request,
};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_and_sigint_let_calls_in_flight_finish() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = ServerProcess::start(&["--work", "2s", "--log-level", "debug"]);
        let mut caller = client(connect(&server.address).await);
        let call = tokio::spawn(async move { caller.call(request("slow")).await });
        server.wait_for_event("request : slow");

        server.process.signal(signal);
        server.wait_for_event("draining: no new connections, calls in flight finish");
        let late = run(&["call", "too late", "--address", &server.address]);
        assert_eq!(late.status.code(), Some(2), "no new connection is accepted");

        let answer = call.await.expect("no panic").expect("the call in flight is answered");
        assert_eq!(answer.into_inner().reply, "reply for slow");
        let (status, _) = server.process.wait();
        assert_eq!(status.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_withdrawn_when_it_is_told_to_end() {
    let server = ServerProcess::start(&[]);
    for name in ["", "SampleService"] {
        let mut health = HealthClient::new(connect(&server.address).await);
        let request = HealthCheckRequest { service: name.to_owned() };
        let mut watch = health.watch(request).await.expect("it is known").into_inner();
        let first = watch.next().await.expect("a status").expect("no error");
        assert_eq!(first.status(), ServingStatus::Serving);
        if name == "SampleService" {
            server.process.signal(Signal::TERM);
            let second = watch.next().await.expect("a status").expect("no error");
            assert_eq!(second.status(), ServingStatus::NotServing);
        }
    }
    let (status, _) = server.process.wait();
    assert_eq!(status.code(), Some(0));
}
