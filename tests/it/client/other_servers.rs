//! HTTP/2 servers that do not speak gRPC themselves: nginx, also as a proxy, and nghttpd.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    process::{Process, ServerProcess, run, stderr, stdout, unused_address},
    program::program,
};

/// A running nginx, and its folder.
struct Nginx {
    address: String,
    _process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// Starts nginx as an HTTP/2 server with these locations.
    fn start(locations: &str) -> Option<Self> {
        let mut nginx = program("nginx", "nginx-light")?;
        let folder = tempfile::tempdir().expect("a folder");
        let address = unused_address();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {name};\n"))
            .concat();
        let configuration = format!(
            "daemon off; master_process off; pid pid; error_log stderr;\n\
             events {{}}\n\
             http {{\n access_log off;\n {temporary}\
             server {{ listen {address} http2; keepalive_requests 50;\n{locations}\n}}\n}}\n"
        );
        fs::write(folder.path().join("nginx.conf"), configuration).expect("the folder is writable");
        nginx.arg("-p").arg(folder.path()).args(["-c", "nginx.conf"]);
        let process = start(&mut nginx);
        Some(Self { address, _process: process, _folder: folder })
    }

    /// Starts nginx as the proxy of a gRPC server.
    fn before(server: &str) -> Option<Self> {
        Self::start(&format!("location / {{ grpc_pass grpc://{server}; }}"))
    }
}

/// Starts a server without its errors, which would mix with the output of the tests.
fn start(command: &mut Command) -> Process {
    Process::spawn(command.stdin(Stdio::null()).stderr(Stdio::null()))
}

/// Runs a command with a server that may not listen yet.
fn run_with(address: &str, arguments: &[&str]) -> Output {
    let options = ["--wait-for-ready", "--timeout", "60s", "--address", address];
    run(&[arguments, &options].concat())
}

#[test]
fn calls_through_nginx_succeed() {
    let server = ServerProcess::start(&[]);
    let Some(nginx) = Nginx::before(&server.address) else { return };
    let output = run_with(&nginx.address, &["call", "through nginx"]);
    assert_eq!(stdout(&output), "request : through nginx\nresponse : reply for through nginx\n");
    let output = run_with(&nginx.address, &["health"]);
    assert_eq!(stdout(&output), "SERVING\n", "{}", stderr(&output));
    // A status of the server passes through nginx.
    let output = run_with(&nginx.address, &["health", "unknown"]);
    assert!(stderr(&output).starts_with("error: NOT_FOUND: "), "{}", stderr(&output));
}

#[test]
fn no_call_fails_if_nginx_ends_connections_by_goaway() {
    let server = ServerProcess::start(&[]);
    let Some(nginx) = Nginx::before(&server.address) else { return };
    // A connection of nginx ends after 50 requests.
    let load = ["load", "--calls", "500", "--concurrency", "20", "--json"];
    let output = run_with(&nginx.address, &load);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["codes"]["OK"], 500, "{report}");
}

#[test]
fn an_error_shows_the_response_of_nginx_itself() {
    let closed = unused_address();
    let locations = format!(
        "location /SampleService/ {{ grpc_pass grpc://{closed}; }}\n\
         location /grpc.health.v1.Health/ {{ default_type text/html; return 200 'a page'; }}"
    );
    let Some(nginx) = Nginx::start(&locations) else { return };
    let once = ["call", "--attempts", "1"];
    let output = run_with(&nginx.address, &once);
    let bad_gateway = "error: UNAVAILABLE: the response is not gRPC: HTTP status 502 Bad Gateway, \
                       content type text/html: <html>\n";
    assert_eq!(stderr(&output), bad_gateway);
    assert_eq!(output.status.code(), Some(3));
    let output = run_with(&nginx.address, &["health"]);
    let page = "error: UNKNOWN: the response is not gRPC: HTTP status 200 OK, content type \
                text/html: a page\n";
    assert_eq!(stderr(&output), page);
}

#[test]
fn a_message_above_the_limit_of_nginx_is_an_error_with_its_http_status() {
    let server = ServerProcess::start(&[]);
    let Some(nginx) = Nginx::before(&server.address) else { return };
    // nginx takes 1 MiB by default. `load` can send a message of a given size.
    let load = ["load", "--calls", "1", "--size", "2MiB", "--json", "--allow-errors"];
    let output = run_with(&nginx.address, &load);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let error = report["errors"]["UNKNOWN"].as_str().expect("413 has no code of its own");
    assert!(error.contains("HTTP status 413 Payload Too Large"), "{report}");
}

#[test]
fn an_error_shows_the_page_of_nghttpd() {
    let Some(mut nghttpd) = program("nghttpd", "nghttp2-server") else { return };
    let address = unused_address();
    let port = address.rsplit(':').next().expect("a port");
    let folder = tempfile::tempdir().expect("a folder");
    nghttpd.args(["--no-tls", "--address", "127.0.0.1", "--htdocs"]).arg(folder.path()).arg(port);
    let _process = start(&mut nghttpd);
    let output = run_with(&address, &["health"]);
    let not_found = "error: UNIMPLEMENTED: the response is not gRPC: HTTP status 404 Not Found, \
                     content type text/html; charset=UTF-8: <html><head><title>404 Not Found";
    assert!(stderr(&output).starts_with(not_found), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(3));
}
