//! Real grpcio peers: a Python client of this server, and a Python server for `call`.

use crate::support::{
    process::{Process, ServerProcess, run, run_with_input, stderr, stdout},
    python,
};

#[test]
fn a_python_client_with_the_tutorials_stubs_calls_the_server() {
    let Some(mut client) = python::script("client.py") else { return };
    let server = ServerProcess::start(&[]);
    let output = client.arg(&server.address).output().expect("python runs");
    assert_eq!(stdout(&output), "all replies are right\n", "{}", stderr(&output));
}

#[test]
fn call_calls_the_tutorials_python_server() {
    let Some(mut script) = python::script("server.py") else { return };
    let server = Process::spawn(&mut script);
    let port = server.wait_for(|line| line.strip_prefix("port ").map(ToOwned::to_owned));
    let address = format!("127.0.0.1:{port}");

    for message in ["", "test message", "こんにちは", "👋🏽🎉"] {
        let output = run(&["call", message, "--address", &address]);
        assert_eq!(
            stdout(&output),
            format!("request : {message}\nresponse : reply for {message}\n")
        );
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        // Field 1, length-delimited, as the tutorial's stubs write it.
        let sent = server.wait_for(|line| line.strip_prefix("request ").map(ToOwned::to_owned));
        let length = message.len();
        if length > 0 {
            assert!(sent.starts_with(&format!("{} 0a{length:02x}", length + 2)), "{sent}");
        } else {
            assert_eq!(sent.trim_end(), "0");
        }
    }

    // An argument cannot be as long as a mebibyte.
    let long = "x".repeat(1024 * 1024);
    let output = run_with_input(&["call", "-", "--address", &address], &long);
    assert_eq!(stdout(&output), format!("request : {long}\nresponse : reply for {long}\n"));

    let output = run(&["call", "refuse this", "--address", &address]);
    assert_eq!(stderr(&output), "error: PERMISSION_DENIED: not for you\n");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn responses_that_a_python_server_compresses_are_read() {
    let Some(mut script) = python::script("server.py") else { return };
    let server = Process::spawn(script.arg("gzip"));
    let port = server.wait_for(|line| line.strip_prefix("port ").map(ToOwned::to_owned));
    let address = format!("127.0.0.1:{port}");
    let output = run(&["health", "--timeout", "60s", "--address", &address]);
    assert_eq!(stdout(&output), "SERVING\n", "{}", stderr(&output));
    let long = "x".repeat(100_000);
    let output = run(&["call", &long, "--timeout", "60s", "--address", &address]);
    let expected = format!("request : {long}\nresponse : reply for {long}\n");
    assert!(stdout(&output) == expected, "{}", stderr(&output));
}
