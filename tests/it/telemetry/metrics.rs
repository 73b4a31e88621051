//! The HTTP listener with /metrics, /livez and /readyz.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc::channel,
    thread,
    time::Instant,
};

use rustix::process::Signal;
use tonic::Code;

use crate::support::{
    http1::{self, get, request},
    metrics::{METRICS, parse, scrape, wait_until},
    process::{NEVER, ServerProcess, command, run, unused_address},
    wire::{Caller, message, text},
};

fn state(address: &str, name: &str) -> f64 {
    scrape(address)[&format!("chassis_state{{state=\"{name}\"}}")]
}

#[test]
fn the_format_of_metrics_follows_the_accept_header() {
    let server = ServerProcess::with(&[METRICS], &[]);
    for (accept, kind, is_open) in [
        ("", "text/plain; version=0.0.4; charset=utf-8", false),
        ("Accept: text/plain\r\n", "text/plain; version=0.0.4; charset=utf-8", false),
        (
            "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            true,
        ),
    ] {
        let reply = request(&server.metrics_address, "GET", "/metrics", accept).expect("a reply");
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), Some(kind), "{accept}");
        assert_eq!(reply.body.ends_with("# EOF\n"), is_open, "{accept}");
        assert!(reply.body.contains("chassis_workers_limit 5"), "{}", reply.body);
    }
}

#[test]
fn unknown_paths_are_404_and_other_methods_are_405() {
    let server = ServerProcess::with(&[METRICS], &[]);
    let ask = |method, target| request(&server.metrics_address, method, target, "").expect("it");
    for (method, target, status) in [
        ("GET", "/metrics?of=all", 200),
        ("HEAD", "/metrics", 200),
        ("POST", "/metrics", 405),
        ("DELETE", "/livez", 405),
        ("GET", "/", 200),
        ("GET", "/nothing", 404),
        ("GET", "/metrics/", 404),
    ] {
        let reply = ask(method, target);
        assert_eq!(reply.status, status, "{method} {target}");
        let allow = (status == 405).then_some("GET, HEAD");
        assert_eq!(reply.header("allow"), allow, "{method} {target}");
    }
    assert_eq!(ask("HEAD", "/metrics").body, "");
    assert!(ask("GET", "/nothing").body.contains("/metrics, /livez and /readyz"));
}

/// Sends these bytes, and returns the status of the response.
fn status_of(address: &str, request: &str) -> u16 {
    let mut stream = TcpStream::connect(address).expect("a server");
    stream.set_read_timeout(Some(NEVER)).expect("a socket");
    stream.write_all(request.as_bytes()).expect("it is open");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    response.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[test]
fn a_request_of_http_1_1_needs_one_valid_host() {
    let server = ServerProcess::with(&[METRICS], &[]);
    for (version, hosts, status) in [
        ("1.1", &["localhost:9464"][..], 200),
        ("1.1", &["[::1]:9464"], 200),
        ("1.1", &[""], 200),
        ("1.1", &[], 400),
        ("1.1", &["a", "a"], 400),
        ("1.1", &["a", "b"], 400),
        ("1.1", &["a b"], 400),
        ("1.1", &["user@a"], 400),
        ("1.1", &["a/b"], 400),
        ("1.1", &["a:b"], 400),
        ("1.0", &[], 200),
        ("1.0", &["localhost"], 200),
        ("1.0", &["a", "b"], 400),
        ("1.0", &["a b"], 400),
    ] {
        for path in ["/livez", "/metrics", "/nothing", "http://localhost/livez"] {
            let hosts: String = hosts.iter().map(|host| format!("host: {host}\r\n")).collect();
            let request = format!("GET {path} HTTP/{version}\r\n{hosts}\r\n");
            let status = if path == "/nothing" && status == 200 { 404 } else { status };
            assert_eq!(status_of(&server.metrics_address, &request), status, "{request}");
        }
    }
}

#[test]
fn silent_peers_do_not_block_metrics() {
    // The connection limit, and more rounds than fit into the test's time if each waited the
    // ten seconds that a silent peer can have.
    const LIMIT: usize = 64;
    const ROUNDS: usize = 7;
    let server = ServerProcess::with(&[METRICS], &[]);
    let address = server.metrics_address;
    let (done, all_done) = channel();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for _ in 0..ROUNDS {
            silent.extend((0..LIMIT).map(|_| TcpStream::connect(&address).expect("a server")));
            assert_eq!(get(&address, "/livez").status, 200);
        }
        done.send(()).expect("the test waits");
    });
    all_done.recv_timeout(NEVER).expect("a response in each round");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_methods_make_no_series() {
    // If each had its own series, that would be 40 lines each. A table of recent names would
    // not hold that many either.
    const NAMES: usize = 2000;
    let server = ServerProcess::with(&[METRICS, ("SAMPLE__LOG__ACCESS", "off")], &[]);
    let before = scrape(&server.metrics_address);
    let mut caller = Caller::connect(&server.address).await;
    for number in 0..NAMES {
        let path = match number % 2 {
            0 => format!("/SampleService/Call{number}"),
            _ => format!("/invented.Service{number}/Call"),
        };
        let response = caller.call_at(&path, &[], message(false, b"")).await;
        assert_eq!(response.code(), Code::Unimplemented, "{path}");
    }
    let after = scrape(&server.metrics_address);
    assert!(before.keys().eq(after.keys()), "{after:#?}");
    let unknown = "grpc_server_started_total{grpc_type=\"unary\",grpc_service=\"unknown\",\
                   grpc_method=\"unknown\"}";
    assert_eq!(after[unknown], 2000.0);
}

#[test]
fn a_lame_duck_is_live_and_not_ready() {
    let server = ServerProcess::with(&[METRICS, ("SAMPLE__SHUTDOWN__LAME_DUCK", "1h")], &[]);
    let address = &server.metrics_address;
    let readiness = get(address, "/readyz");
    assert_eq!((readiness.status, readiness.body.as_str()), (200, "SERVING\n"));
    assert_eq!(state(address, "ready"), 1.0);

    server.process.signal(Signal::TERM);
    server.wait_for_event("lame duck");
    // The line is logged before the state changes.
    wait_until(|| get(address, "/readyz").status == 503);
    assert_eq!(get(address, "/readyz").body, "NOT_SERVING\n");
    assert_eq!(get(address, "/livez").status, 200);
    assert_eq!((state(address, "lame_duck"), state(address, "ready")), (1.0, 0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_served_until_the_end_of_the_drain() {
    let settings = [METRICS, ("SAMPLE__SHUTDOWN__DRAIN", "1h")];
    let server = ServerProcess::with(&settings, &["--work", "1h", "--log-level", "debug"]);
    let mut caller = Caller::connect(&server.address).await;
    let (response, mut stream) = caller.begin(&[]).await;
    stream.send_data(message(false, &text("held")), true).expect("sent");
    server.wait_for_event("request : held");
    server.process.signal(Signal::TERM);
    server.wait_for_event("draining");

    let address = &server.metrics_address;
    assert_eq!(get(address, "/readyz").status, 503);
    assert_eq!(get(address, "/livez").status, 200);
    assert_eq!(state(address, "draining"), 1.0);
    assert_eq!(scrape(address)["chassis_workers_busy"], 1.0);

    // Each scrape succeeds until the process has ended.
    stream.send_reset(h2::Reason::CANCEL);
    drop((response, stream, caller));
    let deadline = Instant::now() + NEVER;
    while let Ok(reply) = request(address, "GET", "/metrics", "") {
        let series = parse(&reply.body);
        let of = |state: &str| series[&format!("chassis_state{{state=\"{state}\"}}")];
        assert_eq!(of("draining") + of("stopped"), 1.0);
        assert!(Instant::now() < deadline, "it never ended");
    }
    assert_eq!(server.process.wait().0.code(), Some(0));
}

#[test]
fn lost_log_lines_are_counted() {
    let (_never_read, writer) = std::io::pipe().expect("a pipe");
    let (address, metrics) = (unused_address(), unused_address());
    let mut serve = command(&["serve", "--address", &address, "--log-level", "debug"]);
    serve.env("SAMPLE__METRICS__ADDRESS", &metrics).stdout(writer);
    let mut server = serve.spawn().expect("the binary runs");
    // At level debug the log has the text. The pipe and the queue hold less than five such
    // lines.
    let large = "x".repeat(1024 * 1024);
    let call = ["call", "--wait-for-ready", "--timeout", "60s", "--address", &address, "-"];
    let input = format!("{large}\n").repeat(6);
    let call = crate::support::process::run_with_input(&call, &input);
    assert_eq!(call.status.code(), Some(0));
    let lost = scrape(&metrics)["chassis_log_lines_lost_total"];
    server.kill().expect("it still runs");
    server.wait().expect("it ends");
    assert!(lost >= 1.0, "{lost}");
}

#[test]
fn metrics_are_off_without_an_address() {
    let server = ServerProcess::start(&[]);
    assert_eq!(server.metrics_address, "");
    let taken = ServerProcess::with(&[METRICS], &[]);
    let settings = [("SAMPLE__METRICS__ADDRESS", taken.metrics_address.as_str())];
    let refused = command(&["serve", "--address", "127.0.0.1:0"]).envs(settings).output();
    let refusal = crate::support::process::stderr(&refused.expect("the binary runs"));
    assert!(refusal.contains("(metrics.address)"), "{refusal}");
    assert!(http1::request(&taken.metrics_address, "GET", "/livez", "").is_ok());
    assert_eq!(run(&["health", "--address", &taken.address]).status.code(), Some(0));
}
