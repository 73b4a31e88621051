//! The graceful shutdown: signals, lame duck, and a drain with a bound.

use std::{
    env, mem,
    net::TcpListener,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio::{runtime, sync::mpsc, time::timeout};
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{
    http2::{
        ACK, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, Peer, SETTINGS, frame,
        grpc_headers,
    },
    in_process::{client, connect, layers, request},
    process::{Process, ServerProcess, command, event, report, run, stderr, stdout},
    python,
    wire::{Caller, message, text},
};

const LAME_DUCK: &str = "SAMPLE__SHUTDOWN__LAME_DUCK";
const DRAIN: &str = "SAMPLE__SHUTDOWN__DRAIN";

/// The process promises to end within a second of the bound. The tests wait longer, because this
/// machine can be busy, and they only have to notice a process that never ends.
const LATE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_finish_after_sigterm_and_sigint() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = ServerProcess::start(&["--work", "2s", "--log-level", "debug"]);
        let mut caller = client(connect(&server.address).await);
        let call = tokio::spawn(async move { caller.call(request("slow")).await });
        server.wait_for_event("request : slow");

        server.process.signal(signal);
        server.wait_for_event("draining");
        let late = run(&["call", "too late", "--address", &server.address]);
        assert_eq!(late.status.code(), Some(2), "no new connection is accepted");

        let response = call.await.expect("no panic").expect("the call in flight finishes");
        assert_eq!(response.into_inner().reply, "reply for slow");
        let (status, lines) = server.process.wait();
        assert_eq!(status.code(), Some(0));
        let report = report(&lines);
        assert_eq!(report["clean"], true);
        assert_eq!([&report["in_flight"], &report["finished"], &report["cut"]], [1, 1, 0]);
        assert_eq!([&report["connections"], &report["connections_cut"]], [1, 0]);
        assert_eq!(report["tasks_cut"], 0);
    }
}

#[test]
fn a_signal_during_the_start_ends_the_server_at_once() {
    for delay in 0..40 {
        let mut serve = command(&["serve", "--address", "127.0.0.1:0"]);
        let process = Process::spawn(serve.env(LAME_DUCK, "0s"));
        std::thread::sleep(Duration::from_micros(delay * 250));
        process.signal(Signal::TERM);
        let (status, _) = process.wait();
        // Before the server handles it, the signal itself ends the process.
        let by_signal = std::os::unix::process::ExitStatusExt::signal(&status);
        assert!(status.code() == Some(0) || by_signal == Some(15), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lame_duck_serves_new_connections_and_is_not_ready() {
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

    // A second signal ends the lame duck time of an hour.
    server.process.signal(Signal::TERM);
    let (status, _) = server.process.wait();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lame_duck_asks_its_clients_to_connect_elsewhere() {
    let health_address = [("SAMPLE__SERVER__HEALTH_ADDRESS", "127.0.0.1:0")];
    let server = ServerProcess::with(&[&[(LAME_DUCK, "1h")][..], &health_address].concat(), &[]);
    let mut probe = Peer::handshake(&server.health_address).await;
    let mut peers = Vec::new();
    for _ in 0..8 {
        let mut peer = Peer::handshake(&server.address).await;
        peer.next(SETTINGS).await.expect("it is accepted");
        peers.push(peer);
    }
    server.process.signal(Signal::TERM);
    for mut peer in peers {
        // Streams that are on their way are served.
        assert_eq!(peer.next(GOAWAY).await.expect("GOAWAY").goaway(), (0x7fff_ffff, 0));
    }
    // A client that connects again is not asked to leave at once, and a probe never is.
    let mut again = Peer::handshake(&server.address).await;
    for peer in [&mut again, &mut probe] {
        peer.send(&frame(PING, 0, 0, &[0; 8])).await;
        let mut frames = Vec::new();
        while frames.last() != Some(&(PING, ACK)) {
            let frame = peer.frame().await.expect("it is open");
            frames.push((frame.kind, frame.flags));
        }
        assert!(frames.iter().all(|(kind, _)| *kind != GOAWAY), "{frames:?}");
    }
    drop((again, probe));
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.wait().0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_watch_gets_not_serving_and_ends_and_the_drain_is_clean() {
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
        let rest: Vec<_> =
            stream.map(|response| response.expect("no error").status()).collect().await;
        let readiness = name.is_empty() || name == "SampleService";
        assert_eq!(rest, vec![ServingStatus::NotServing; usize::from(readiness)], "{name}");
    }
    let (status, lines) = server.process.wait();
    assert_eq!(status.code(), Some(0));
    assert_eq!(report(&lines)["connections_cut"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_peer_keeps_the_process_alive_after_the_bound() {
    let call = grpc_headers("/SampleService/Call");
    let preface_and_settings = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    // The peer never acknowledges the PING of the shutdown.
    let silent = preface_and_settings.clone();
    let half_a_call = [&silent[..], &frame(HEADERS, END_HEADERS, 1, &call)].concat();
    // There is no flow control window for the response: a header and 1 KiB of text.
    let no_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let text = [&[0, 0, 0, 4, 3, 0x0a, 0x80, 0x08][..], &[b'x'; 1024]].concat();
    let never_reads = [
        PREFACE,
        &no_window,
        &frame(HEADERS, END_HEADERS, 1, &call),
        &frame(0, END_STREAM, 1, &text),
    ]
    .concat();

    // The window is one octet: the handler has finished, but its response has not arrived. The h2
    // crate buffers the whole response, so that the call counts as finished.
    let cut_with_little = if cfg!(feature = "http2-h2") { 0 } else { 1 };
    let one_octet = [0, 4, 0, 0, 0, 1];
    let reads_little = [
        PREFACE,
        &frame(SETTINGS, 0, 0, &one_octet),
        &frame(HEADERS, END_HEADERS, 1, &call),
        &frame(0, END_STREAM, 1, &text),
    ]
    .concat();

    // The drain does not wait for peers that have not begun HTTP/2, because they have no calls.
    for (shape, sent, drain, cut, connections_cut) in [
        ("sends nothing", &b""[..], "1h", 0, 0),
        ("half a preface", &PREFACE[..12], "1h", 0, 0),
        ("a handshake, then silence", &silent, "200ms", 0, 1),
        ("half a call", &half_a_call, "200ms", 1, 1),
        ("never reads its response", &never_reads, "200ms", 1, 1),
        ("reads an octet of its response", &reads_little, "200ms", cut_with_little, 1),
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

/// Nothing is lost on such a connection, because the peer has received everything.
#[tokio::test]
async fn an_idle_connection_that_stays_open_after_goaway_is_not_cut() {
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
async fn a_call_at_the_bound_ends_with_unavailable_and_exit_code_1() {
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
async fn a_second_signal_ends_lame_duck_and_drain_at_once() {
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
        server.wait_for_event("second signal: stopping at once");
        let (status, _) = server.process.wait();
        assert_eq!(status.code(), Some(1), "{state}");
    }
}

/// A handler does not yield while it computes, or calls a function that blocks.
#[test]
fn handlers_that_do_not_yield_do_not_delay_the_shutdown() {
    let calls = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let calls = calls.expect("a runtime");
    let layers = layers(&[("shutdown.lame_duck", "10ms"), ("shutdown.drain", "10ms")]);
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
        let service = sample_service::service();
        let server = service.bind(&layers, calls.handle()).expect("a free port");
        let (sender, shutdown) = mpsc::channel(1);
        sender.send("test").await.expect("there is room");
        timeout(LATE, server.run(shutdown)).await.expect("it ends").expect("it started");
    });
    calls.shutdown_background();
}

/// The callers cancelled these calls, so the server did not cut them.
#[tokio::test(flavor = "multi_thread")]
async fn calls_cancelled_during_the_drain_are_not_cut() {
    let settings = [("SAMPLE__LOG__LEVEL", "debug")];
    let server = ServerProcess::with(&settings, &["--work", "1h", "--max-workers", "50"]);
    let mut caller = Caller::connect(&server.address).await;
    let mut open = Vec::new();
    for _ in 0..50 {
        let (response, mut stream) = caller.begin(&[]).await;
        stream.send_data(message(false, &text("is cancelled")), true).expect("sent");
        open.push((response, stream));
    }
    for _ in 0..50 {
        server.wait_for_event("request : is cancelled");
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
async fn fifty_calls_in_flight_all_finish() {
    let server = ServerProcess::start(&["--work", "2s", "--max-workers", "50"]);
    let mut calls = Vec::new();
    for _ in 0..5 {
        let channel = connect(&server.address).await;
        for _ in 0..10 {
            let mut caller = client(channel.clone());
            calls.push(tokio::spawn(async move { caller.call(request("hello")).await }));
        }
    }
    // The first has finished, so the others have been sent.
    server.wait_for_event("call");
    server.process.signal(Signal::TERM);
    for call in calls {
        call.await.expect("no panic").expect("every call finishes");
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
    // The acknowledged PING shows that the server has read everything before it.
    assert!(peer.next(6).await.is_some());

    server.process.signal(Signal::TERM);
    assert_eq!(peer.next(GOAWAY).await.expect("a frame").goaway(), (0x7fff_ffff, 0));
    // A call that was sent before the client read GOAWAY is served too.
    peer.send(&frame(HEADERS, END_HEADERS, 5, &call)).await;
    peer.send(&frame(0, END_STREAM, 5, &[0; 5])).await;
    let ping = peer.next(6).await.expect("asked");
    peer.send(&frame(6, 1, 0, &ping.payload)).await;
    assert_eq!(peer.next(GOAWAY).await.expect("a frame").goaway(), (5, 0));

    let mut finished = Vec::new();
    while let Some(frame) = peer.frame().await {
        if frame.kind == HEADERS && frame.flags & END_STREAM != 0 {
            finished.push(frame.stream);
        }
    }
    finished.sort_unstable();
    assert_eq!(finished, [1, 3, 5]);
    let (status, _) = server.process.wait();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn the_health_address_responds_during_the_drain() {
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

/// A grpcio client balances over two servers under constant load. They are replaced one after
/// the other.
///
/// Each is replaced once, or again until ROLLING_SECONDS have passed. The counts of the client
/// are printed.
#[test]
fn a_rolling_replacement_loses_no_call_of_grpcio() {
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
        // Both servers get calls.
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
