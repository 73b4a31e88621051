//! `sample-service health`, whose exit codes are those of grpc-health-probe.

use std::net::TcpListener;

use tonic_health::{ServingStatus, server::health_reporter};

use crate::support::{
    in_process::connect,
    process::{Process, ServerProcess, command, event, run, stderr, stdout, unused_address},
};

#[test]
fn health_of_a_healthy_server_is_exit_code_0() {
    let server = ServerProcess::start(&[]);
    for name in ["", "SampleService"] {
        let output = server.run(&["health", name]);
        assert_eq!(stdout(&output), "SERVING\n");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn health_without_a_connection_is_exit_code_2() {
    let output = run(&["health", "--address", &unused_address()]);
    assert!(stderr(&output).starts_with("error: cannot connect to"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn health_of_an_unknown_name_is_exit_code_3() {
    let server = ServerProcess::start(&[]);
    let output = server.run(&["health", "Nonsense"]);
    assert!(stderr(&output).starts_with("error: NOT_FOUND: "), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn health_of_a_silent_server_is_exit_code_3() {
    // The kernel accepts the connection, but no process reads from it.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let output = run(&["health", "--timeout", "200ms", "--address", &address]);
    assert!(stderr(&output).starts_with("error: DEADLINE_EXCEEDED: "), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_of_an_unhealthy_server_is_exit_code_4() {
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
fn health_without_an_address_checks_the_server_of_the_environment() {
    let server = ServerProcess::start(&[]);
    let (_, port) = server.address.rsplit_once(':').expect("an address");
    let address = format!("0.0.0.0:{port}");
    let probe = command(&["health"]).env("SAMPLE__SERVER__ADDRESS", address).output();
    assert_eq!(stdout(&probe.expect("the binary runs")), "SERVING\n");

    // The health address is used if it is set.
    let probe = command(&["health"])
        .env("SAMPLE__SERVER__ADDRESS", unused_address())
        .env("SAMPLE__SERVER__HEALTH_ADDRESS", &server.address)
        .output();
    assert_eq!(stdout(&probe.expect("the binary runs")), "SERVING\n");

    let wrong = command(&["health"]).env("SAMPLE__SERVER__ADDRESS", "nonsense").output();
    let wrong = wrong.expect("the binary runs");
    assert!(stderr(&wrong).contains("SAMPLE__SERVER__ADDRESS"), "{}", stderr(&wrong));
    assert_eq!(wrong.status.code(), Some(1));
}

#[tokio::test]
async fn the_health_address_responds_if_the_connection_limit_is_reached() {
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
