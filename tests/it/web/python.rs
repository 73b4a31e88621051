//! Clients from PyPI: connectrpc, the Connect project's own client for Python, and sonora.

use crate::support::{
    process::{stderr, stdout},
    python,
    web_service::start,
};

/// Runs a script with the address of the service.
fn run(script: &str) {
    let Some(mut script) = python::script(script) else { return };
    let server = start(&[]);
    let output = script.arg(&server.address).output().expect("python runs");
    assert_eq!(stdout(&output), "all replies are right\n", "{}", stderr(&output));
}

#[test]
fn connectrpc_calls_the_server_in_each_protocol() {
    run("connect.py");
}

#[test]
fn sonora_calls_the_server_in_grpc_web() {
    run("grpc_web.py");
}
