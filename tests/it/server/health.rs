//! The service `grpc.health.v1.Health` of the server.

use std::{collections::HashMap, thread::available_parallelism};

use tokio_stream::StreamExt;
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response, health_client::HealthClient,
};

use crate::support::{
    http1::get,
    in_process::InProcess,
    metrics::METRICS,
    test_service::{self, OCCUPY},
    wire::{Caller, message, text},
};

#[tokio::test]
async fn a_watch_of_an_unknown_name_gets_service_unknown_and_stays_open() {
    let server = InProcess::start(&[("shutdown.lame_duck", "0s")]).await;
    let mut health = HealthClient::new(server.connect().await);
    let request = HealthCheckRequest { service: "Nonsense".to_owned() };
    let mut stream = health.watch(request).await.expect("a stream").into_inner();
    let first = stream.next().await.expect("a status").expect("no error");
    assert_eq!(first.status(), health_check_response::ServingStatus::ServiceUnknown);

    // The stream is still open: only the shutdown of the server ends it.
    server.shutdown.send("test").await.expect("it runs");
    assert!(stream.next().await.is_none());
    assert!(server.report.await.expect("no panic").expect("it started").is_clean());
}

/// The response of `grpc.health.v1.Health/List`, which tonic-health does not have.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthListResponse {
    #[prost(map = "string, message", tag = "1")]
    statuses: HashMap<String, HealthCheckResponse>,
}

#[tokio::test]
async fn health_list_returns_every_name() {
    let server = InProcess::start(&[]).await;
    let mut grpc = tonic::client::Grpc::new(server.connect().await);
    grpc.ready().await.expect("connected");
    let codec = tonic_prost::ProstCodec::<(), HealthListResponse>::default();
    let path = "/grpc.health.v1.Health/List".parse().expect("a path");
    let response = grpc.unary(tonic::Request::new(()), path, codec).await.expect("a response");
    let serving = HealthCheckResponse { status: 1 };
    let names = ["", "SampleService", "liveness"].map(|name| (name.to_owned(), serving));
    assert_eq!(response.into_inner().statuses, HashMap::from(names));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_answered_while_handlers_occupy_the_threads_that_serve_calls() {
    let health_address = ("SAMPLE__SERVER__HEALTH_ADDRESS", "127.0.0.1:0");
    let server = test_service::start(&[METRICS, health_address]);
    let mut open = Vec::new();
    for _ in 0..available_parallelism().map_or(1, usize::from) {
        let mut caller = Caller::connect(&server.address).await;
        let (response, mut stream) = caller.begin(&[]).await;
        stream.send_data(message(false, &text(OCCUPY)), true).expect("sent");
        open.push((caller, response, stream));
    }
    // One blocked thread is enough to stop all calls, if it is the thread that waits for I/O.
    server.wait_for_event(OCCUPY);
    let mut probe = Caller::connect(&server.health_address).await;
    let check = probe.call_at("/grpc.health.v1.Health/Check", &[], message(false, &[])).await;
    assert_eq!((check.code(), &check.body[5..]), (tonic::Code::Ok, &[8, 1][..]));
    for page in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(get(&server.metrics_address, page).status, 200, "{page}");
    }
}
