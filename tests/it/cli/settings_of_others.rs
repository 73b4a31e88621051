//! Client commands read only some of the settings, and ignore errors in all others.

use std::fs;

use tempfile::TempDir;

use crate::support::{
    collector::Collector,
    process::{ServerProcess, command, run, stderr, stdout, unused_address},
};

/// Settings with which `serve` would not start.
const WRONG: [(&str, &str); 3] = [
    ("SAMPLE__QUEUE__LENGTH", "many"),
    ("SAMPLE__NONSENSE__X", "1"),
    ("SAMPLE__SERVICE__WORK", "later"),
];

#[test]
fn errors_in_settings_that_a_command_does_not_read_do_not_stop_it() {
    let server = ServerProcess::start(&[]);
    for name in ["call", "health"] {
        let mut client = command(&[name, "--address", &server.address]);
        // `call` reads no address from the environment, and `health` only without --address.
        client.envs(WRONG).env("SAMPLE__SERVER__ADDRESS", "nonsense");
        let output = client.output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
        assert_eq!(stderr(&output), "", "{name}");
    }
    let mut probe = command(&["health"]);
    probe.envs(WRONG).env("SAMPLE__SERVER__ADDRESS", &server.address);
    let output = probe.output().expect("the binary runs");
    assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("SERVING\n", ""));
}

#[test]
fn an_endpoint_of_tracing_that_cannot_be_used_is_a_warning() {
    let server = ServerProcess::start(&[]);
    let mut call = command(&["call", "--address", &server.address]);
    call.env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317");
    let output = call.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "request : test message\nresponse : reply for test message\n");
    let expected = "warning: no spans are sent, because the configuration has 1 error\n  \
                    tracing.endpoint: expected a URL of plain HTTP";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_spans_are_reported_once() {
    let server = ServerProcess::start(&[]);
    for (url, warning) in [
        (format!("http://{}", unused_address()), "warning: 3 spans could not be sent: "),
        (Collector::start().await.1, ""),
    ] {
        // Each span is sent by itself, so that several exports fail before the command ends.
        let mut call = command(&["call", "one", "two", "three", "--address", &server.address]);
        call.env("OTEL_EXPORTER_OTLP_ENDPOINT", &url).env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1");
        let output = tokio::task::block_in_place(|| call.output().expect("the binary runs"));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let lines: Vec<_> = stderr(&output).lines().map(ToOwned::to_owned).collect();
        assert_eq!(lines.len(), usize::from(!warning.is_empty()), "{lines:?}");
        assert!(lines.iter().all(|line| line.starts_with(warning)), "{lines:?}");
    }
}

#[test]
fn health_finds_the_server_that_these_flags_of_serve_describe() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("settings.toml");
    let server = ServerProcess::start(&[]);
    fs::write(&file, format!("[server]\naddress = {:?}\n[queue]\nlength = -1\n", server.address))
        .expect("written");
    let file = file.to_str().expect("UTF-8");
    let (_, port) = server.address.rsplit_once(':').expect("an address");
    for arguments in [
        &["--config", file][..],
        &["--address", &format!("[::]:{port}")],
        &["--address", &format!("0.0.0.0:{port}")],
        &["--config", file, "--address", &format!("[::]:{port}")],
    ] {
        let output = run(&[&["health"], arguments].concat());
        assert_eq!(stdout(&output), "SERVING\n", "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn health_takes_tls_from_the_settings_of_a_server_at_every_address() {
    let output = command(&["health", "--address", "[::]:9999"])
        .env("SAMPLE__TLS__CERTIFICATE", "tls.crt")
        .env("SAMPLE__TLS__CLIENT_CA", "ca.crt")
        .output()
        .expect("the binary runs");
    let expected = "error: the settings of the server require a client certificate (tls.client_ca)";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn health_prints_each_error_of_the_settings_once() {
    let mut probe = command(&["health", "--config", "/nonexistent/file"]);
    probe.envs(WRONG).env("SAMPLE__SERVER__ADDRESS", "nonsense");
    let output = probe.output().expect("the binary runs");
    let error = stderr(&output);
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    assert_eq!(
        lines[0],
        "error: the address to check is that of the settings, and the configuration has 2 errors"
    );
    assert!(lines[1].starts_with("  /nonexistent/file: cannot be read: No such file"), "{error}");
    assert!(lines[2].starts_with("  server.address: expected an IP address"), "{error}");
    assert_eq!(output.status.code(), Some(1));
}
