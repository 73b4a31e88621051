//! The access log: which calls have a line, and its fields.

use std::process::Stdio;

use rustix::process::Signal;

use crate::support::{
    http2::{END_HEADERS, END_STREAM, HEADERS, Peer, frame, grpc_headers},
    metrics::{METRICS, scrape},
    process::{
        Process, ServerProcess, command, event, run, send_signal, stderr, stdout, unused_address,
    },
    wire::{Caller, message, text},
};

/// Sends a call and returns its line.
async fn line_of(server: &ServerProcess, headers: &[(&str, &str)]) -> serde_json::Value {
    let mut caller = Caller::connect(&server.address).await;
    caller.call(headers, message(false, &text("hello"))).await;
    server.wait_for_event("call")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_has_the_sizes_times_and_ids_of_the_call() {
    let server = ServerProcess::start(&["--work", "20ms"]);
    let headers = [("x-request-id", "order-7"), ("grpc-timeout", "9S")];
    let call = line_of(&server, &headers).await;
    assert_eq!(call["request_id"], "order-7");
    assert_eq!(call["deadline_ms"], 9000.0);
    // A prefix of five bytes, a field of two, and the text.
    assert_eq!(call["bytes_in"], 5 + 2 + "hello".len());
    assert_eq!(call["bytes_out"], 5 + 2 + "reply for hello".len());
    let ms = |name: &str| call[name].as_f64().unwrap_or_else(|| panic!("{name}: {call}"));
    assert!(ms("work_ms") >= 10.0, "{call}");
    assert!(ms("queue_ms") < ms("work_ms"), "{call}");
    assert!(ms("ms") >= ms("work_ms") + ms("queue_ms"), "{call}");
    assert!(call["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{call}");

    let call = line_of(&server, &[]).await;
    assert!(call["request_id"].as_str().is_some_and(|id| id.len() == 16), "{call}");
    assert_eq!(call.get("deadline_ms"), None);
    assert_eq!(call.get("trace_id"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_ms_and_work_ms_are_separate() {
    let server = ServerProcess::start(&["--work", "100ms", "--max-workers", "1"]);
    tokio::join!(line_of(&server, &[]), async {
        let mut caller = Caller::connect(&server.address).await;
        caller.call(&[], message(false, &text("hello"))).await;
    });
    // The second to end has waited while the other ran.
    let call = server.wait_for_event("call");
    let ms = |name: &str| call[name].as_f64().expect("a number");
    assert!(ms("queue_ms") > 10.0 && ms("work_ms") > 10.0, "{call}");
    assert!(ms("ms") >= ms("queue_ms") + ms("work_ms"), "{call}");
}

/// Long waits end like this, so their time must be in the line.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_past_its_deadline_is_logged_with_its_times() {
    let server = ServerProcess::start(&["--work", "1h", "--max-workers", "1"]);
    let at_work = [("grpc-timeout", "400m")];
    let call = line_of(&server, &at_work).await;
    assert_eq!(call["code"], "DEADLINE_EXCEEDED");
    let ms = |call: &serde_json::Value, name: &str| call[name].as_f64().expect("a number");
    assert!(ms(&call, "work_ms") > 200.0, "{call}");

    let server =
        ServerProcess::start(&["--work", "1h", "--max-workers", "1", "--log-level", "debug"]);
    let (_response, mut first) = Caller::connect(&server.address).await.begin(&[]).await;
    first.send_data(message(false, &text("first")), true).expect("sent");
    server.wait_for_event("request : first");
    // The first call has had its worker for less than this deadline.
    let call = line_of(&server, &[("grpc-timeout", "2S")]).await;
    assert_eq!(call["code"], "DEADLINE_EXCEEDED", "{call}");
    assert!(ms(&call, "queue_ms") > 200.0, "{call}");
    assert_eq!(ms(&call, "work_ms"), 0.0, "{call}");
}

#[test]
fn paths_of_callers_are_escaped_and_truncated() {
    let server = ServerProcess::start(&[]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let long = "x".repeat(5000);
    for (path, logged) in [
        ("/Sample\"Service/Call", "/Sample\"Service/Call"),
        (&format!("/{long}"), &format!("/{}", &long[..127])),
    ] {
        runtime.block_on(async {
            let mut peer = Peer::handshake(&server.address).await;
            let headers = frame(HEADERS, END_HEADERS | END_STREAM, 1, &grpc_headers(path));
            peer.send(&headers).await;
            assert_eq!(peer.next(HEADERS).await.map(|frame| frame.stream), Some(1));
        });
        assert_eq!(server.wait_for_event("call")["method"], logged);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_errors_omits_calls_that_succeeded() {
    let server = ServerProcess::with(&[("SAMPLE__LOG__ACCESS", "errors")], &[]);
    let mut caller = Caller::connect(&server.address).await;
    caller.call(&[], message(false, &text("hello"))).await;
    caller.call(&[("grpc-timeout", "0n")], message(false, &text("hello"))).await;
    assert_eq!(server.wait_for_event("call")["code"], "DEADLINE_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_call_is_a_warning_even_if_access_is_off() {
    let off = [("SAMPLE__LOG__ACCESS", "off"), ("SAMPLE__LOG__SLOW", "10ms")];
    let server = ServerProcess::with(&off, &["--work", "20ms"]);
    // This call is refused at once, so it is not slow.
    let mut caller = Caller::connect(&server.address).await;
    caller.call(&[("grpc-timeout", "0n")], message(false, &text("hello"))).await;
    let call = line_of(&server, &[]).await;
    assert_eq!(call["level"], "WARN");
    assert_eq!(call["code"], "OK");
}

#[test]
fn probes_are_logged_only_if_they_fail_or_at_debug() {
    let server = ServerProcess::start(&[]);
    server.run(&["health"]);
    server.run(&["health", "Nonsense"]);
    let call = server.wait_for_event("call");
    assert_eq!(call["method"], "/grpc.health.v1.Health/Check");
    assert_eq!(call["code"], "NOT_FOUND");

    // With `off` there is no line at all, and a watch that its client ends has not failed.
    let server = ServerProcess::with(&[("SAMPLE__LOG__ACCESS", "off")], &[]);
    server.run(&["health", "Nonsense"]);
    server.process.signal(Signal::TERM);
    let (_, lines) = server.process.wait();
    assert!(lines.iter().all(|line| event(line)["message"] != "call"), "{lines:#?}");
    let server = ServerProcess::start(&[]);
    let mut watch =
        Process::spawn(&mut command(&["health", "--watch", "--address", &server.address]));
    watch.close_stdin();
    watch.wait_for(|line| line.contains("SERVING").then_some(()));
    watch.signal(Signal::INT);
    assert!(watch.wait().0.success());
    server.run(&["health", "Nonsense"]);
    let call = server.wait_for_event("call");
    assert_eq!(call["method"], "/grpc.health.v1.Health/Check", "{call}");

    let server = ServerProcess::start(&["--log-level", "debug"]);
    server.run(&["health"]);
    let call = server.wait_for_event("call");
    assert_eq!((&call["code"], &call["level"]), (&"OK".into(), &"DEBUG".into()));
}

#[test]
fn the_line_of_a_stream_has_its_number_of_messages() {
    let server = ServerProcess::with(&[METRICS], &["--log-level", "debug"]);
    server.run(&["health"]);
    let unary = server.wait_for_event("call");
    assert!(unary.get("messages_in").is_none() && unary.get("messages_out").is_none(), "{unary}");

    let mut watch =
        Process::spawn(&mut command(&["health", "--watch", "--address", &server.address]));
    watch.wait_for(|line| line.contains("SERVING").then_some(()));
    watch.close_stdin();
    watch.signal(Signal::INT);
    watch.wait();
    let stream = server.wait_for_event("call");
    assert_eq!([&stream["messages_in"], &stream["messages_out"]], [1, 1], "{stream}");
    let series = scrape(&server.metrics_address);
    let watched = "{grpc_type=\"server_stream\",grpc_service=\"grpc.health.v1.Health\",\
                   grpc_method=\"Watch\"}";
    for direction in ["received", "sent"] {
        let name = format!("grpc_server_msg_{direction}_total{watched}");
        assert_eq!(series.get(&name), Some(&1.0), "{name}");
    }
}

#[test]
fn the_text_format_has_the_same_fields() {
    let mut serve = command(&["serve", "--address", "127.0.0.1:0"]);
    let server = Process::spawn(&mut serve);
    let address = server.wait_for(|line| {
        let (_, rest) = line.split_once("listening")?.1.split_once(" address=")?;
        rest.split(' ').next().map(ToOwned::to_owned)
    });
    run(&["call", "hello", "--address", &address]);
    let line = server.wait_for(|line| line.contains(" call ").then(|| line.to_owned()));
    assert!(
        line.contains("Z  INFO call method=\"/SampleService/Call\" code=\"OK\" peer=127.0.0.1:"),
        "{line}"
    );
    for field in
        [" queue_ms=", " work_ms=", " bytes_in=12 bytes_out=22 deadline_ms=", " request_id=\""]
    {
        assert!(line.contains(field), "{field}: {line}");
    }
}

/// The log is not read while the calls are made, so the writer drops lines, and counts each of
/// them.
#[test]
fn each_of_a_hundred_thousand_calls_has_a_line_or_counts_as_lost() {
    const CALLS: usize = 100_000;
    const AT_ONCE: usize = 100;
    let address = unused_address();
    let mut serve = command(&["serve", "--log-format", "json", "--address", &address]);
    serve.args(["--max-workers", "1000"]).env("SAMPLE__SHUTDOWN__LAME_DUCK", "0s");
    serve.env("SAMPLE__SHUTDOWN__FLUSH", "60s").stdout(Stdio::piped()).stderr(Stdio::piped());
    let server = serve.spawn().expect("the binary runs");
    assert!(
        run(&["call", "--wait-for-ready", "--timeout", "60s", "--address", &address])
            .status
            .success()
    );

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let channel = crate::support::in_process::connect(&address).await;
        let calls = (0..AT_ONCE).map(|_| {
            let mut client = crate::support::in_process::client(channel.clone());
            tokio::spawn(async move {
                for _ in 1..=CALLS / AT_ONCE {
                    client
                        .call(crate::support::in_process::request("hello"))
                        .await
                        .expect("served");
                }
            })
        });
        for calls in calls.collect::<Vec<_>>() {
            calls.await.expect("no panic");
        }
    });
    send_signal(&server, Signal::TERM);
    let output = server.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    let written = stdout(&output).lines().map(event).count();
    let notice = stderr(&output);
    let lost: usize =
        notice.split(' ').next().and_then(|text| text.parse().ok()).expect("a notice");
    assert!(written > 1000 && lost > 1000, "{written} written, {notice}");
    // There are also the call that waited for the server, and five lines of start and shutdown.
    assert_eq!(written + lost, CALLS + 1 + 5);
}

/// Returns the characters that command a terminal or make a text look like another.
fn controls(text: &str) -> Vec<char> {
    let is_bidirectional = |c| {
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(|&c| c.is_control() || is_bidirectional(c)).collect()
}

const HOSTILE: &str = "\u{9b}31m\u{85}\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{61c}";

#[tokio::test(flavor = "multi_thread")]
async fn the_text_format_escapes_every_text_of_a_caller() {
    let mut serve = command(&["serve", "--address", "127.0.0.1:0", "--log-level", "debug"]);
    let server = Process::spawn(&mut serve);
    let address = server.wait_for(|line| {
        let (_, rest) = line.split_once("listening")?.1.split_once(" address=")?;
        rest.split(' ').next().map(ToOwned::to_owned)
    });
    let path = format!("/x{HOSTILE}");
    let mut peer = Peer::handshake(&address).await;
    peer.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &grpc_headers(&path))).await;
    assert!(peer.next(HEADERS).await.is_some());
    let line = server.wait_for(|line| line.contains(" call ").then(|| line.to_owned()));
    assert_eq!(controls(&line), Vec::<char>::new(), "{line:?}");
    assert!(line.contains("method=\"/x\\u009b31m\\u0085\\u2028"), "{line:?}");

    // The message of a line, which the handler writes.
    let mut caller = Caller::connect(&address).await;
    let hostile = format!("\x1b[31m\x7f\r{HOSTILE}");
    caller.call(&[], message(false, &text(&hostile))).await;
    let line = server.wait_for(|line| line.contains("request : ").then(|| line.to_owned()));
    assert_eq!(controls(&line), Vec::<char>::new(), "{line:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv4_client_of_a_listener_of_both_families_is_shown_as_ipv4() {
    let server = ServerProcess::start(&["--address", "[::]:0"]);
    let port = server.address.rsplit(':').next().expect("a port");
    let mut caller = Caller::connect(&format!("127.0.0.1:{port}")).await;
    caller.call(&[], message(false, &text("hello"))).await;
    let call = server.wait_for_event("call");
    assert!(call["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{call}");
}
