//! `sample-service health`, whose exit codes are those of grpc-health-probe.

use std::{collections::HashMap, net::TcpListener};

use tokio_stream::StreamExt;
use tonic_health::{
    ServingStatus,
    pb::{
        HealthCheckRequest, HealthCheckResponse, health_check_response, health_client::HealthClient,
    },
    server::health_reporter,
};

use crate::support::{
    InProcess, connect,
    process::{Process, ServerProcess, command, event, run, stderr, stdout, unused_address},
};

#[test]
fn a_healthy_server_is_exit_code_0() {
    let server = ServerProcess::start(&[]);
    for name in ["", "SampleService"] {
        let output = server.run(&["health", name]);
        assert_eq!(stdout(&output), "SERVING\n");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn no_connection_is_exit_code_2() {
    let output = run(&["health", "--address", &unused_address()]);
    assert!(stderr(&output).starts_with("error: cannot connect to"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_unknown_name_is_exit_code_3() {
    let server = ServerProcess::start(&[]);
    let output = server.run(&["health", "Nonsense"]);
    assert!(stderr(&output).starts_with("error: NOT_FOUND: "), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_server_that_does_not_answer_is_exit_code_3() {
    // The kernel accepts the connection; nobody reads it.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let output = run(&["health", "--timeout", "200ms", "--address", &address]);
    assert!(stderr(&output).starts_with("error: DEADLINE_EXCEEDED: "), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unhealthy_server_is_exit_code_4() {
    let (reporter, service) = health_reporter();
    reporter.set_service_status("", ServingStatus::NotServing).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(
        tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming),
    );

    let output = run(&["health", "--address", &address]);
    assert_eq!(stderr(&output), "error: the status of \"\" is NOT_SERVING\n");
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn without_an_address_it_asks_the_server_that_the_environment_configures() {
    let server = ServerProcess::start(&[]);
    let (_, port) = server.address.rsplit_once(':').expect("an address");
    let address = format!("0.0.0.0:{port}");
    let probe = command(&["health"]).env("SAMPLE__SERVER__ADDRESS", address).output();
    assert_eq!(stdout(&probe.expect("the binary runs")), "SERVING\n");

    // Where there is an address for probes, that is the one.
    let probe = command(&["health"])
        .env("SAMPLE__SERVER__ADDRESS", unused_address())
        .env("SAMPLE__SERVER__HEALTH_ADDRESS", &server.address)
        .output();
    assert_eq!(stdout(&probe.expect("the binary runs")), "SERVING\n");

    let faulty = command(&["health"]).env("SAMPLE__SERVER__ADDRESS", "nonsense").output();
    let faulty = faulty.expect("the binary runs");
    assert!(stderr(&faulty).contains("SAMPLE__SERVER__ADDRESS"), "{}", stderr(&faulty));
    assert_eq!(faulty.status.code(), Some(1));
}

#[tokio::test]
async fn at_its_own_address_it_is_answered_while_all_connections_to_the_other_are_taken() {
    let settings =
        [("SAMPLE__LIMITS__CONNECTIONS", "1"), ("SAMPLE__SERVER__HEALTH_ADDRESS", "127.0.0.1:0")];
    let mut serve = command(&["serve", "--log-format", "json", "--address", "127.0.0.1:0"]);
    let server = Process::spawn(serve.envs(settings));
    let (address, health_address) = server.wait_for(|line| {
        let event = event(line);
        let address = |name: &str| event[name].as_str().map(ToOwned::to_owned);
        Some((address("address")?, address("health_address")?))
    });
    let _taken = connect(&address).await;
    assert_eq!(run(&["health", "--address", &address]).status.code(), Some(2));
    assert_eq!(stdout(&run(&["health", "--address", &health_address])), "SERVING\n");
}

#[tokio::test]
async fn a_watch_of_an_unknown_name_says_so_and_stays_open() {
    let server = InProcess::start(&[("shutdown.lame_duck", "0s")]).await;
    let mut health = HealthClient::new(server.connect().await);
    let request = HealthCheckRequest { service: "Nonsense".to_owned() };
    let mut stream = health.watch(request).await.expect("a stream").into_inner();
    let first = stream.next().await.expect("a status").expect("no error");
    assert_eq!(first.status(), health_check_response::ServingStatus::ServiceUnknown);

    // It is open: what ends it is the end of the server.
    server.shutdown.send("test").await.expect("it runs");
    assert!(stream.next().await.is_none());
    assert!(server.report.await.expect("no panic").is_clean());
}

/// `grpc.health.v1.Health/List`, which tonic-health does not have.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthListResponse {
    #[prost(map = "string, message", tag = "1")]
    statuses: HashMap<String, HealthCheckResponse>,
}

#[tokio::test]
async fn list_answers_every_name() {
    let server = InProcess::start(&[]).await;
    let mut grpc = tonic::client::Grpc::new(server.connect().await);
    grpc.ready().await.expect("connected");
    let codec = tonic_prost::ProstCodec::<(), HealthListResponse>::default();
    let path = "/grpc.health.v1.Health/List".parse().expect("a path");
    let answer = grpc.unary(tonic::Request::new(()), path, codec).await.expect("an answer");
    let serving = HealthCheckResponse { status: 1 };
    let names = ["", "SampleService", "liveness"].map(|name| (name.to_owned(), serving));
    assert_eq!(answer.into_inner().statuses, HashMap::from(names));
}
