//! How the server ends: told by signals, as a lame duck, by a drain with a bound.

use std::{
    env, mem,
    net::TcpListener,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use sample_service::{server::Server, telemetry::Telemetry};
use tokio::{runtime, sync::mpsc, time::timeout};
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{
    client, connect,
    http2::{
        END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, Peer, SETTINGS, frame, grpc_headers,
    },
    process::{Process, ServerProcess, command, event, run, stderr, stdout},
    python, request, settings,
    wire::{Caller, message, text},
};

const LAME_DUCK: &str = "SAMPLE__SHUTDOWN__LAME_DUCK";
const DRAIN: &str = "SAMPLE__SHUTDOWN__DRAIN";

/// A second beyond the bound is what is promised; a machine that is busy with
/// other tests gets more. What this must tell apart is an end and none.
const LATE: Duration = Duration::from_secs(20);

fn report(lines: &[String]) -> serde_json::Value {
    let report = lines.iter().map(|line| event(line)).find(|event| event["message"] == "drained");
    report.unwrap_or_else(|| panic!("no report in {lines:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_and_sigint_let_calls_in_flight_finish() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = ServerProcess::start(&["--work", "2s", "--log-level", "debug"]);
        let mut caller = client(connect(&server.address).await);
        let call = tokio::spawn(async move { caller.call(request("slow")).await });
        server.wait_for_event("request : slow");

        server.process.signal(signal);
        server.wait_for_event("draining");
        let late = run(&["call", "too late", "--address", &server.address]);
        assert_eq!(late.status.code(), Some(2), "no new connection is accepted");

        let answer = call.await.expect("no panic").expect("the call in flight is answered");
        assert_eq!(answer.into_inner().reply, "reply for slow");
        let (status, lines) = server.process.wait();
        assert_eq!(status.code(), Some(0));
        let report = report(&lines);
        assert_eq!(report["clean"], true);
        assert_eq!([&report["in_flight"], &report["finished"], &report["cut"]], [1, 1, 0]);
        assert_eq!([&report["connections"], &report["connections_cut"]], [1, 0]);
    }
}

#[test]
fn a_signal_during_the_start_ends_it_at_once() {
    for delay in 0..40 {
        let mut serve = command(&["serve", "--address", "127.0.0.1:0"]);
        let process = Process::spawn(serve.env(LAME_DUCK, "0s"));
        std::thread::sleep(Duration::from_micros(delay * 250));
        process.signal(Signal::TERM);
        let (status, _) = process.wait();
        // By the signal itself, where it came before anything could catch it.
        let by_signal = std::os::unix::process::ExitStatusExt::signal(&status);
        assert!(status.code() == Some(0) || by_signal == Some(15), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lame_duck_serves_new_connections_while_readiness_says_no() {
    let server = ServerProcess::with(&[(LAME_DUCK, "1h")], &[]);
    let mut watch = HealthClient::new(connect(&server.address).await);
    let watching = watch.watch(HealthCheckRequest::default()).await.expect("it is known");
    let mut watching = watching.into_inner();
    let first = watching.next().await.expect("a status").expect("no error");
    assert_eq!(first.status(), ServingStatus::Serving);

    server.process.signal(Signal::TERM);
    let second = watching.next().await.expect("a status").expect("no error");
    assert_eq!(second.status(), ServingStatus::NotServing);

    assert_eq!(server.run(&["call"]).status.code(), Some(0), "a new connection and call");
    for (name, code) in [("", 4), ("SampleService", 4), ("liveness", 0)] {
        assert_eq!(server.run(&["health", name]).status.code(), Some(code), "{name}");
    }

    // Told twice, it does not wait for the rest of the hour.
    server.process.signal(Signal::TERM);
    let (status, _) = server.process.wait();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_watch_is_told_and_ended_and_the_end_is_clean() {
    let server = ServerProcess::with(&[(DRAIN, "1h")], &[]);
    let mut streams = Vec::new();
    for name in ["", "SampleService", "liveness", "Nonsense"] {
        let mut health = HealthClient::new(connect(&server.address).await);
        let request = HealthCheckRequest { service: name.to_owned() };
        let mut stream = health.watch(request).await.expect("a stream").into_inner();
        stream.next().await.expect("a status").expect("no error");
        streams.push((name, stream));
    }
    server.process.signal(Signal::TERM);
    for (name, stream) in streams {
        let rest: Vec<_> = stream.map(|answer| answer.expect("no error").status()).collect().await;
        let readiness = name.is_empty() || name == "SampleService";
        assert_eq!(rest, vec![ServingStatus::NotServing; usize::from(readiness)], "{name}");
    }
    let (status, lines) = server.process.wait();
    assert_eq!(status.code(), Some(0));
    assert_eq!(report(&lines)["connections_cut"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_peer_keeps_the_process_alive_past_the_bound() {
    let call = grpc_headers("/SampleService/Call");
    let preface_and_settings = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    // It never answers the PING that asks what is on its way.
    let silent = preface_and_settings.clone();
    let half_a_call = [&silent[..], &frame(HEADERS, END_HEADERS, 1, &call)].concat();
    // No window for its answer, which is never read: a header and 1 KiB of text.
    let no_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let text = [&[0, 0, 0, 4, 3, 0x0a, 0x80, 0x08][..], &[b'x'; 1024]].concat();
    let never_reads = [
        PREFACE,
        &no_window,
        &frame(HEADERS, END_HEADERS, 1, &call),
        &frame(0, END_STREAM, 1, &text),
    ]
    .concat();

    // One octet of it fits: the call has finished, and its answer is not there.
    let one_octet = [0, 4, 0, 0, 0, 1];
    let reads_little = [
        PREFACE,
        &frame(SETTINGS, 0, 0, &one_octet),
        &frame(HEADERS, END_HEADERS, 1, &call),
        &frame(0, END_STREAM, 1, &text),
    ]
    .concat();

    // Those that have not begun HTTP/2 have nothing to lose, and are not waited
    // for to the bound.
    for (shape, sent, drain, cut, connections_cut) in [
        ("sends nothing", &b""[..], "1h", 0, 0),
        ("half a preface", &PREFACE[..12], "1h", 0, 0),
        ("a handshake, then silence", &silent, "200ms", 0, 1),
        ("half a call", &half_a_call, "200ms", 1, 1),
        ("never reads its answer", &never_reads, "200ms", 1, 1),
        ("reads an octet of its answer", &reads_little, "200ms", 0, 1),
    ] {
        let server = ServerProcess::with(&[(DRAIN, drain)], &[]);
        let mut peer = Peer::connect(&server.address).await;
        peer.send(sent).await;
        if sent.len() > PREFACE.len() {
            assert!(peer.next(SETTINGS).await.is_some());
        }
        // Once another connection has been served, this one has been read.
        assert_eq!(server.run(&["call"]).status.code(), Some(0));
        let start = Instant::now();
        server.process.signal(Signal::TERM);
        let (status, lines) = server.process.wait();
        assert!(start.elapsed() < LATE, "{shape}: {:?}", start.elapsed());
        let report = report(&lines);
        assert_eq!(report["cut"], cut, "{shape}");
        assert_eq!(report["connections_cut"], connections_cut, "{shape}");
        assert_eq!(status.code(), Some(connections_cut), "{shape}");
    }
}

/// It has had all that there was for it.
#[tokio::test]
async fn a_peer_that_keeps_its_connection_after_the_end_is_not_cut() {
    let server = ServerProcess::start(&[]);
    let mut peer = Peer::handshake(&server.address).await;
    assert!(peer.next(SETTINGS).await.is_some());
    server.process.signal(Signal::TERM);
    let ping = peer.next(6).await.expect("asked");
    peer.send(&frame(6, 1, 0, &ping.payload)).await;
    assert!(peer.next(GOAWAY).await.is_some());
    server.process.signal(Signal::INT);
    let (status, lines) = server.process.wait();
    assert_eq!(report(&lines)["connections_cut"], 0);
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_at_the_bound_is_told_unavailable_and_the_exit_code_says_so() {
    let settings = [(DRAIN, "300ms"), ("SAMPLE__LOG__LEVEL", "debug")];
    let server = ServerProcess::with(&settings, &["--work", "1h"]);
    let mut caller = client(connect(&server.address).await);
    let call = tokio::spawn(async move { caller.call(request("endless")).await });
    server.wait_for_event("request : endless");

    server.process.signal(Signal::TERM);
    let status = call.await.expect("no panic").expect_err("it never finishes");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("shutting down"), "{status}");
    let logged = server.wait_for_event("call");
    assert_eq!(logged["code"], "UNAVAILABLE");

    let (status, lines) = server.process.wait();
    assert_eq!(status.code(), Some(1));
    let report = report(&lines);
    assert_eq!(report["clean"], false);
    assert_eq!([&report["in_flight"], &report["finished"], &report["cut"]], [1, 0, 1]);
    assert_eq!(report["connections_cut"], 0, "the connection ended once its call had");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_lame_duck_and_the_drain_at_once() {
    for (lame_duck, state) in [("1h", "lame duck"), ("0s", "draining")] {
        let settings = [(LAME_DUCK, lame_duck), (DRAIN, "1h"), ("SAMPLE__LOG__LEVEL", "debug")];
        let server = ServerProcess::with(&settings, &["--work", "1h"]);
        let mut caller = client(connect(&server.address).await);
        let call = tokio::spawn(async move { caller.call(request("endless")).await });
        server.wait_for_event("request : endless");

        server.process.signal(Signal::TERM);
        server.wait_for_event(state);
        server.process.signal(Signal::INT);
        let status = call.await.expect("no panic").expect_err("it never finishes");
        assert_eq!(status.code(), Code::Unavailable);
        server.wait_for_event("told twice: stopping now");
        let (status, _) = server.process.wait();
        assert_eq!(status.code(), Some(1), "{state}");
    }
}

/// A handler that computes, or calls something that blocks, and never yields.
#[test]
fn handlers_that_do_not_yield_keep_nothing_from_its_end() {
    let calls = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let calls = calls.expect("a runtime");
    let settings = settings(&[("shutdown.lame_duck", "10ms"), ("shutdown.drain", "10ms")]);
    let server =
        Server::bind(&settings, calls.handle(), &Telemetry::default()).expect("a free port");
    let (held, holds) = std::sync::mpsc::channel();
    calls.spawn(async move {
        held.send(()).expect("it is waited for");
        loop {
            std::thread::park();
        }
    });
    holds.recv().expect("it runs");

    let life = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    life.block_on(async {
        let (sender, shutdown) = mpsc::channel(1);
        sender.send("test").await.expect("there is room");
        timeout(LATE, server.run(shutdown)).await.expect("it ends");
    });
    calls.shutdown_background();
}

/// Nothing was cut short: they gave up themselves.
#[tokio::test(flavor = "multi_thread")]
async fn calls_whose_callers_go_away_during_the_drain_are_not_cut() {
    let settings = [("SAMPLE__LOG__LEVEL", "debug")];
    let server = ServerProcess::with(&settings, &["--work", "1h", "--max-workers", "50"]);
    let mut caller = Caller::connect(&server.address).await;
    let mut open = Vec::new();
    for _ in 0..50 {
        let (answer, mut stream) = caller.begin(&[]).await;
        stream.send_data(message(false, &text("gives up")), true).expect("sent");
        open.push((answer, stream));
    }
    for _ in 0..50 {
        server.wait_for_event("request : gives up");
    }
    server.process.signal(Signal::TERM);
    server.wait_for_event("draining");
    drop((open, caller));
    let (status, lines) = server.process.wait();
    let report = report(&lines);
    assert_eq!([&report["in_flight"], &report["finished"], &report["cut"]], [50, 50, 0]);
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_calls_in_flight_lose_nothing() {
    let server = ServerProcess::start(&["--work", "2s", "--max-workers", "50"]);
    let mut calls = Vec::new();
    for _ in 0..5 {
        let channel = connect(&server.address).await;
        for _ in 0..10 {
            let mut caller = client(channel.clone());
            calls.push(tokio::spawn(async move { caller.call(request("hello")).await }));
        }
    }
    // The first has finished: the others are at work, or on their way to it.
    server.wait_for_event("call");
    server.process.signal(Signal::TERM);
    for call in calls {
        call.await.expect("no panic").expect("every call is answered");
    }
    let (status, lines) = server.process.wait();
    assert_eq!(status.code(), Some(0));
    assert_eq!(report(&lines)["cut"], 0);
}

#[tokio::test]
async fn goaway_is_sent_twice_and_the_second_names_the_last_call() {
    let server = ServerProcess::start(&["--work", "3s"]);
    let mut peer = Peer::handshake(&server.address).await;
    let call = grpc_headers("/SampleService/Call");
    for stream in [1, 3] {
        peer.send(&frame(HEADERS, END_HEADERS, stream, &call)).await;
        peer.send(&frame(0, END_STREAM, stream, &[0; 5])).await;
    }
    peer.send(&frame(6, 0, 0, &[7; 8])).await;
    // The answer to the PING: all that was sent before it was read.
    assert!(peer.next(6).await.is_some());

    server.process.signal(Signal::TERM);
    assert_eq!(peer.next(GOAWAY).await.expect("told").goaway(), (0x7fff_ffff, 0));
    // A call that was on its way when GOAWAY was sent is served too.
    peer.send(&frame(HEADERS, END_HEADERS, 5, &call)).await;
    peer.send(&frame(0, END_STREAM, 5, &[0; 5])).await;
    let ping = peer.next(6).await.expect("asked");
    peer.send(&frame(6, 1, 0, &ping.payload)).await;
    assert_eq!(peer.next(GOAWAY).await.expect("told").goaway(), (5, 0));

    let mut answered = Vec::new();
    while let Some(frame) = peer.frame().await {
        if frame.kind == HEADERS && frame.flags & END_STREAM != 0 {
            answered.push(frame.stream);
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 3, 5]);
    let (status, _) = server.process.wait();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn health_on_its_own_address_is_answered_while_the_rest_drains() {
    let settings = [
        (DRAIN, "1h"),
        ("SAMPLE__SERVER__HEALTH_ADDRESS", "127.0.0.1:0"),
        ("SAMPLE__LOG__LEVEL", "debug"),
    ];
    let mut serve = command(&["serve", "--log-format", "json", "--address", "127.0.0.1:0"]);
    let server = Process::spawn(serve.envs(settings).env(LAME_DUCK, "0s").args(["--work", "1h"]));
    let addresses = server.wait_for(|line| {
        let event = event(line);
        let address = |name: &str| event[name].as_str().map(ToOwned::to_owned);
        Some((address("address")?, address("health_address")?))
    });
    let (address, health_address) = addresses;
    let health = |name| run(&["health", name, "--address", &health_address]);
    assert_eq!(stdout(&health("")), "SERVING\n");
    let call = run(&["call", "--address", &health_address]);
    assert!(stderr(&call).starts_with("error: UNIMPLEMENTED"), "{}", stderr(&call));

    let call = Process::spawn(&mut command(&["call", "--timeout", "1h", "--address", &address]));
    server.wait_for(|line| line.contains("request : ").then_some(()));
    server.signal(Signal::TERM);
    server.wait_for(|line| line.contains("draining").then_some(()));
    assert_eq!(health("").status.code(), Some(4));
    assert_eq!(health("liveness").status.code(), Some(0));

    server.signal(Signal::TERM);
    assert_eq!(server.wait().0.code(), Some(1));
    assert_eq!(call.wait().0.code(), Some(3));
}

/// Two servers behind a grpcio client that balances over both, under constant
/// load; each is replaced in its turn.
///
/// Once each, or until ROLLING_SECONDS have passed; what the client counted is
/// printed.
#[test]
fn a_rolling_replacement_loses_no_call() {
    let Some(mut script) = python::script("rolling.py") else { return };
    let settings = [(LAME_DUCK, "500ms")];
    let start = |address: &str| ServerProcess::with(&settings, &["--address", address]);
    let mut servers = [start("127.0.0.1:0"), start("127.0.0.1:0")];
    script.args(servers.iter().map(|server| &server.address));
    let mut client = Process::spawn(script.stdin(Stdio::piped()));

    let seconds = env::var("ROLLING_SECONDS").map_or(0, |text| text.parse().expect("a number"));
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut replaced = 0;
    while replaced < servers.len() || Instant::now() < end {
        let server = &mut servers[replaced % 2];
        // The client's calls go to both.
        server.wait_for_event("call");
        server.process.signal(Signal::TERM);
        let new = |address: &str| loop {
            // The port is free once the old server has closed it.
            if TcpListener::bind(address).is_ok() {
                return start(address);
            }
            std::thread::yield_now();
        };
        server.wait_for_event("draining");
        let new = new(&server.address);
        let old = mem::replace(server, new);
        let (status, lines) = old.process.wait();
        assert_eq!(status.code(), Some(0), "{}", report(&lines));
        replaced += 1;
    }
    for server in &servers {
        server.wait_for_event("call");
    }
    client.close_stdin();
    let (_, counted) = client.wait();
    let [counted] = counted.as_slice() else { panic!("not one line: {counted:#?}") };
    println!("{replaced} servers replaced: {counted}");
    let counted = event(counted);
    assert_eq!(counted["failed"], serde_json::json!({}));
    assert!(counted["succeeded"].as_u64() > Some(0));
}
