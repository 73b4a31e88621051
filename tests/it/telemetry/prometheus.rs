//! The metrics of the server in a real Prometheus.

use std::{
    io::Read,
    net::TcpListener,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use tonic::Code;

use crate::support::{
    dashboard::{TLS_METRICS, dashboard, dashboard_queries},
    http1::request,
    metrics::{METRICS, scrape},
    process::{ServerProcess, memory},
    prometheus::Prometheus,
    wire::{Caller, message, read, text},
};

/// Starts a server and makes 40 calls, 4 calls of unknown methods, and a health check.
async fn served() -> ServerProcess {
    let server = ServerProcess::with(&[METRICS], &[]);
    let mut caller = Caller::connect(&server.address).await;
    for _ in 0..40 {
        assert_eq!(caller.call(&[], message(false, &text("hello"))).await.code(), Code::Ok);
    }
    for path in ["/SampleService/None", "/None/Call", "/", "/grpc.health.v1.Health/None"] {
        let response = caller.call_at(path, &[], message(false, b"")).await;
        assert_eq!(response.code(), Code::Unimplemented, "{path}");
    }
    assert_eq!(server.run(&["health"]).status.code(), Some(0));
    server
}

/// Starts a server with one worker and no queue: 2 calls are past their deadline, 1 runs, and
/// 3 are refused.
async fn overloaded() -> (ServerProcess, impl Sized) {
    let server = ServerProcess::with(
        &[METRICS, ("SAMPLE__QUEUE__LENGTH", "0")],
        &["--work", "1h", "--max-workers", "1", "--log-level", "debug"],
    );
    let mut caller = Caller::connect(&server.address).await;
    for _ in 0..2 {
        let late = caller.call(&[("grpc-timeout", "50m")], message(false, &text("late"))).await;
        assert_eq!(late.code(), Code::DeadlineExceeded);
    }
    let (at_work, mut stream) = caller.begin(&[]).await;
    stream.send_data(message(false, &text("at work")), true).expect("sent");
    server.wait_for_event("request : at work");
    for _ in 0..3 {
        let (response, mut refused) = caller.begin(&[]).await;
        refused.send_data(message(false, &text("refused")), true).expect("sent");
        assert_eq!(read(response).await.code(), Code::ResourceExhausted);
    }
    (server, (caller, at_work, stream))
}

#[test]
fn a_real_prometheus_reads_the_counts() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let served = runtime.block_on(served());
    let (overloaded, _at_work) = runtime.block_on(overloaded());
    let (one, two) = (served.metrics_address.as_str(), overloaded.metrics_address.as_str());
    let Some(prometheus) = Prometheus::start(&[one, two]) else { return };

    let call = "grpc_service=\"SampleService\",grpc_method=\"Call\",grpc_type=\"unary\"";
    let own = "grpc_service=\"SampleService\"";
    let health = "grpc_service=\"grpc.health.v1.Health\"";
    for (of, query, expected) in [
        (one, format!("grpc_server_handled_total{{@,{call},grpc_code=\"OK\"}}"), 40.0),
        (one, format!("sum(grpc_server_handled_total{{@,{own}}})"), 40.0),
        (one, format!("grpc_server_started_total{{@,{call}}}"), 40.0),
        (one, format!("grpc_server_handling_seconds_count{{@,{call}}}"), 40.0),
        (
            one,
            "sum(grpc_server_handled_total{@,grpc_service=\"unknown\",grpc_code=\"Unimplemented\"})"
                .to_owned(),
            4.0,
        ),
        (one, format!("sum(grpc_server_handled_total{{@,{health},grpc_code=\"OK\"}})"), 1.0),
        (one, "sum(grpc_server_handled_total{@})".to_owned(), 45.0),
        (one, "sum(grpc_server_started_total{@})".to_owned(), 45.0),
        (one, "sum(grpc_server_handling_seconds_count{@})".to_owned(), 45.0),
        // Only methods of the service pass through the queue.
        (one, "chassis_queue_wait_seconds_count{@}".to_owned(), 40.0),
        (one, "chassis_queue_wait_seconds_bucket{@,le=\"+Inf\"}".to_owned(), 40.0),
        (one, "chassis_connections_ended_total{@,how=\"closed\"}".to_owned(), 2.0),
        (one, "sum(chassis_connections_ended_total{@})".to_owned(), 2.0),
        (one, "chassis_connections_open{@}".to_owned(), 0.0),
        (one, "chassis_connections_limit{@}".to_owned(), 10000.0),
        (one, "chassis_workers_busy{@}".to_owned(), 0.0),
        (one, "chassis_workers_limit{@}".to_owned(), 5.0),
        (one, "chassis_queue_limit{@}".to_owned(), 100.0),
        (one, "sum(chassis_refused_total{@})".to_owned(), 0.0),
        (two, "sum(grpc_server_started_total{@})".to_owned(), 6.0),
        (two, "sum(grpc_server_handled_total{@})".to_owned(), 5.0),
        (
            two,
            format!("grpc_server_handled_total{{@,{call},grpc_code=\"DeadlineExceeded\"}}"),
            2.0,
        ),
        (
            two,
            format!("grpc_server_handled_total{{@,{call},grpc_code=\"ResourceExhausted\"}}"),
            3.0,
        ),
        (two, "chassis_refused_total{@,reason=\"queue_full\"}".to_owned(), 3.0),
        (two, "sum(chassis_refused_total{@})".to_owned(), 3.0),
        (two, "chassis_queue_wait_seconds_count{@}".to_owned(), 5.0),
        (two, "chassis_refused_total{@,reason=\"streams\"}".to_owned(), 0.0),
        (two, "chassis_streams_open{@}".to_owned(), 0.0),
        (two, "chassis_streams_limit{@}".to_owned(), 1000.0),
        (two, "sum(grpc_server_msg_received_total{@})".to_owned(), 0.0),
        (two, "chassis_queue_length{@}".to_owned(), 0.0),
        (two, "chassis_queue_limit{@}".to_owned(), 0.0),
        (two, "chassis_workers_busy{@}".to_owned(), 1.0),
        (two, "chassis_workers_limit{@}".to_owned(), 1.0),
        (two, "chassis_connections_open{@}".to_owned(), 1.0),
        (two, "chassis_state{@,state=\"ready\"}".to_owned(), 1.0),
        (two, "sum(chassis_state{@})".to_owned(), 1.0),
        (two, "chassis_panics_total{@}".to_owned(), 0.0),
        (two, "chassis_log_lines_lost_total{@}".to_owned(), 0.0),
    ] {
        let instance = format!("job=\"sample-service\",instance=\"{of}\"");
        prometheus.wait_for_value(&query.replace('@', &instance), expected);
    }
    let version = env!("CARGO_PKG_VERSION");
    let build = format!("chassis_build_info{{instance=\"{one}\",version=\"{version}\"}}");
    prometheus.wait_for_value(&build, 1.0);
    // Every series has the same name in Prometheus.
    for series in scrape(one).keys() {
        let name = series.split('{').next().expect("a name");
        assert!(!prometheus.query(&format!("{name}{{instance=\"{one}\"}}")).is_empty(), "{name}");
    }
    the_process_is_plausible(&prometheus, &served);
    // A rate needs a call between two scrapes.
    assert_eq!(served.run(&["call"]).status.code(), Some(0));
    every_panel_shows_something(&prometheus);
    every_rule_is_evaluated(&prometheus);
}

fn the_process_is_plausible(prometheus: &Prometheus, server: &ServerProcess) {
    let value = |name: &str| {
        let query = format!("process_{name}{{instance=\"{}\"}}", server.metrics_address);
        let [(_, value)] = prometheus.query(&query)[..] else { panic!("not one {name}") };
        value
    };
    let resident = memory(server.process.id()) as f64 * 1024.0;
    let ratio = value("resident_memory_bytes") / resident;
    assert!((0.5..2.0).contains(&ratio), "{ratio}");
    assert!(value("virtual_memory_bytes") > value("resident_memory_bytes"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    // The test has just started the server.
    let age = now - value("start_time_seconds");
    assert!((-5.0..600.0).contains(&age), "{age} s");
    assert!((0.0..600.0).contains(&value("cpu_seconds_total")));
    assert!(value("threads") >= 2.0);
    assert!(value("open_fds") >= 5.0 && value("open_fds") < value("max_fds"));
}

/// Asserts that each query of the dashboard returns series, with Grafana's variables replaced.
fn every_panel_shows_something(prometheus: &Prometheus) {
    for (title, query) in dashboard_queries(&dashboard()) {
        if TLS_METRICS.iter().any(|name| query.contains(name)) {
            continue;
        }
        let query = query.replace("$job", "sample-service").replace("$instance", ".+");
        let query = query.replace("$__rate_interval", "1m");
        prometheus.wait_for(&format!("shown in {title}: {query}"), |prometheus| {
            (!prometheus.query(&query).is_empty()).then_some(())
        });
    }
}

fn every_rule_is_evaluated(prometheus: &Prometheus) {
    let rules = prometheus.wait_for("evaluated all rules", |prometheus| {
        let groups = prometheus.api("rules")?;
        let rules = groups["groups"][0]["rules"].as_array()?.clone();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    });
    assert!(!rules.is_empty());
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
}

#[test]
fn prometheus_gets_openmetrics() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let Some(_prometheus) = Prometheus::start(&[&address]) else { return };
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("Prometheus");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a request");
            head.extend(byte);
        }
        String::from_utf8(head).expect("text")
    });
    let asked = asked.join().expect("a request");
    let accept = asked.lines().find(|line| line.starts_with("Accept: ")).expect("what it takes");

    let server = ServerProcess::with(&[METRICS], &[]);
    let accept = format!("{accept}\r\n");
    let reply = request(&server.metrics_address, "GET", "/metrics", &accept).expect("a reply");
    let kind = reply.header("content-type");
    assert_eq!(kind, Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
}
