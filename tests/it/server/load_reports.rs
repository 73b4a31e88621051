//! Load reports (ORCA): in trailers, as a stream, and as weights of grpcio's weighted round robin.

use std::{process::Stdio, time::Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tonic::Code;

use super::own_calls::{CHECK, REFLECTION};
use crate::support::{
    in_process::InProcess,
    metrics::{METRICS, scrape},
    orca::{SERVICE, STREAM, TRAILER, report, reports},
    process::{NEVER, Process, ServerProcess, run, stdout},
    python,
    wire::{Caller, message, read, text},
};

const ON: (&str, &str) = ("load_reports.enabled", "true");

#[tokio::test]
async fn the_trailers_of_a_call_have_a_report() {
    let server = InProcess::start(&[ON, ("service.work", "20ms")]).await;
    let mut caller = Caller::connect(&server.address).await;
    let response = caller.call(&[], message(false, &text("hello"))).await;
    assert_eq!(response.code(), Code::Ok);
    let report = report(&response.trailers);
    assert!(report.rps_fractional > 0.0, "{report:?}");
    assert_eq!(report.eps, 0.0);
    // An average: one of five workers was busy for a part of the time.
    let utilization = report.application_utilization;
    assert!(utilization > 0.0 && utilization < 0.2, "{report:?}");
    assert!(report.mem_utilization > 0.0 && report.mem_utilization < 1.0, "{report:?}");
    assert_eq!(report.named_metrics.len(), 3);
    assert_eq!(report.named_metrics["workers_busy"], 0.0);
    assert_eq!(report.named_metrics["queue_length"], 0.0);
    // A call takes 20 ms, and five workers finish one every 4 ms.
    let wait = report.named_metrics["expected_wait_seconds"];
    assert!(wait > 0.003, "{report:?}");
}

#[tokio::test]
async fn a_refusal_has_a_report_that_counts_it_as_an_error() {
    let server = InProcess::start(&[
        ON,
        ("service.work", "1h"),
        ("server.max_workers", "1"),
        ("queue.length", "0"),
    ])
    .await;
    let mut caller = Caller::connect(&server.address).await;
    let mut responses = FuturesUnordered::new();
    let mut open = Vec::new();
    for _ in 0..2 {
        let (response, mut stream) = caller.begin(&[]).await;
        stream.send_data(message(false, &text("hello")), true).expect("sent");
        responses.push(read(response));
        open.push(stream);
    }
    // One of the two calls has the worker, and the other is refused.
    let refused = responses.next().await.expect("a response");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let report = report(&refused.trailers);
    assert!(report.eps > 0.0, "{report:?}");
    assert_eq!(report.rps_fractional, 0.0);
    assert_eq!(report.named_metrics["workers_busy"], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_there_is_neither_trailer_nor_service() {
    let server = InProcess::start(&[]).await;
    let mut caller = Caller::connect(&server.address).await;
    let response = caller.call(&[], message(false, &text("hello"))).await;
    assert_eq!(response.code(), Code::Ok);
    assert!(!response.trailers.contains_key(TRAILER), "{response:?}");
    let status = reports(server.connect().await).await.expect_err("it is not served");
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(!listed(&server.address).contains(SERVICE));
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_describes_the_stream_if_it_is_on() {
    let server = InProcess::start(&[ON]).await;
    assert!(listed(&server.address).contains(SERVICE));
    let described = run(&["describe", SERVICE, "--address", &server.address]);
    assert!(stdout(&described).contains("StreamCoreMetrics"), "{described:?}");
}

/// Returns the services that reflection lists.
fn listed(address: &str) -> String {
    let output = run(&["list", "--address", address]);
    assert!(output.status.success(), "{output:?}");
    stdout(&output)
}

#[tokio::test]
async fn health_reflection_and_the_stream_have_no_report_in_their_trailers() {
    let server = InProcess::start(&[ON]).await;
    let mut caller = Caller::connect(&server.address).await;
    // A message over the limit ends the two streams.
    let large = message(false, &text(&"x".repeat(20_000)));
    for (path, sent, code) in [
        (CHECK, message(false, &[]), Code::Ok),
        (REFLECTION, large.clone(), Code::ResourceExhausted),
        (STREAM, message(false, &text(&"x".repeat(1024))), Code::ResourceExhausted),
    ] {
        let response = caller.call_at(path, &[], sent).await;
        assert_eq!(response.code(), code, "{path}");
        assert!(!response.trailers.contains_key(TRAILER), "{path}: {response:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_reports_the_load_until_the_drain() {
    let server = InProcess::start(&[
        ON,
        ("service.work", "1h"),
        ("server.max_workers", "2"),
        ("shutdown.lame_duck", "0s"),
    ])
    .await;
    let mut reports = reports(server.connect().await).await.expect("a stream");
    let first = reports.next().await.expect("a report").expect("no error");
    assert_eq!((first.application_utilization, first.rps_fractional), (0.0, 0.0));

    let mut caller = Caller::connect(&server.address).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        let (response, mut stream) = caller.begin(&[]).await;
        stream.send_data(message(false, &text("hello")), true).expect("sent");
        open.push((response, stream));
    }
    // Two calls work and three wait, for two workers: the average approaches 2.5.
    let overloaded = async {
        loop {
            let report = reports.next().await.expect("a report").expect("no error");
            if report.application_utilization > 1.5 {
                return report;
            }
        }
    };
    let report = tokio::time::timeout(NEVER, overloaded).await.expect("the load is reported");
    assert!(report.application_utilization < 2.51, "{report:?}");
    assert_eq!(report.named_metrics["workers_busy"], 2.0);
    assert_eq!(report.named_metrics["queue_length"], 3.0);
    // No call has ended, so the estimate is the time that the first one has taken so far.
    assert!(report.named_metrics["expected_wait_seconds"] > 0.0, "{report:?}");

    server.shutdown.send("the test").await.expect("it runs");
    while let Some(report) = reports.next().await {
        report.expect("the stream ends without an error");
    }
}

/// A fast server, and a slow one with a tenth of its speed.
struct Servers([ServerProcess; 2]);

impl Servers {
    fn start() -> Self {
        let settings = [METRICS, ("SAMPLE__LOAD_REPORTS__ENABLED", "true")];
        Self([["5", "10ms"], ["1", "20ms"]].map(|[workers, work]| {
            ServerProcess::with(&settings, &["--max-workers", workers, "--work", work])
        }))
    }

    /// Returns the calls of a method that each server has begun.
    fn calls(&self, method: &str) -> [f64; 2] {
        let method = format!("grpc_method=\"{method}\"");
        [0, 1].map(|server| {
            let series = scrape(&self.0[server].metrics_address).into_iter();
            let started = series.filter(|(name, _)| {
                name.starts_with("grpc_server_started_total{") && name.contains(&method)
            });
            started.map(|(_, value)| value).sum()
        })
    }
}

/// A client in Python that balances over both servers.
struct Balanced<'a> {
    client: Process,
    servers: &'a Servers,
}

impl<'a> Balanced<'a> {
    fn start(servers: &'a Servers, policy: &str) -> Option<Self> {
        let mut script = python::script("weighted.py")?;
        script.arg(policy).args(servers.0.iter().map(|server| &server.address));
        let client = Process::spawn(script.stdin(Stdio::piped()));
        Some(Self { client, servers })
    }

    /// Makes calls, and returns the share of the slow server.
    fn share(&mut self) -> f64 {
        let before = self.servers.calls("Call");
        self.client.say("200");
        self.client.wait_for(|line| (line == "done").then_some(()));
        let [fast, slow] = self.servers.calls("Call");
        let [fast, slow] = [fast - before[0], slow - before[1]];
        assert_eq!(fast + slow, 200.0);
        slow / (fast + slow)
    }
}

#[test]
fn grpcios_weighted_round_robin_sends_fewer_calls_to_the_slower_server() {
    const EVERY: &str = "\"blackoutPeriod\":\"0s\",\"weightUpdatePeriod\":\"0.1s\"";
    let servers = Servers::start();
    let Some(mut client) = Balanced::start(&servers, "{\"round_robin\":{}}") else { return };
    // At first, the client calls only the server that it has connected to first.
    client.share();
    let share = client.share();
    assert!((0.4..0.6).contains(&share), "round robin: {share}");
    for (out_of_band, streams) in [(false, [0.0; 2]), (true, [1.0; 2])] {
        let policy = format!(
            "{{\"weighted_round_robin\":{{{EVERY},\"enableOobLoadReport\":{out_of_band},\
             \"oobReportingPeriod\":\"1s\"}}}}"
        );
        let mut client = Balanced::start(&servers, &policy).expect("Python is there");
        // Until the client has reports of both servers, it balances by plain round robin.
        let end = Instant::now() + NEVER;
        let mut shares = vec![client.share()];
        while shares.last() > Some(&0.25) {
            assert!(Instant::now() < end, "out of band {out_of_band}: {shares:?}");
            shares.push(client.share());
        }
        shares.push(client.share());
        println!("round robin {share}, out of band {out_of_band}: {shares:?}");
        assert!(shares.last() < Some(&0.33), "out of band {out_of_band}: {shares:?}");
        assert_eq!(servers.calls("StreamCoreMetrics"), streams);
    }
}
