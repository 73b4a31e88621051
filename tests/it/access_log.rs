//! The line of each call: when there is one, and what is in it.

use std::process::Stdio;

use rustix::process::Signal;

use crate::support::{
    http2::{END_HEADERS, END_STREAM, HEADERS, Peer, frame, grpc_headers},
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
async fn a_line_has_all_that_is_known_of_the_call() {
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
async fn the_time_in_the_queue_is_apart_from_the_time_at_work() {
    let server = ServerProcess::start(&["--work", "100ms", "--max-workers", "1"]);
    tokio::join!(line_of(&server, &[]), async {
        let mut caller = Caller::connect(&server.address).await;
        caller.call(&[], message(false, &text("hello"))).await;
    });
    // The second to end is the one that waited, for as long as the other worked.
    let call = server.wait_for_event("call");
    let ms = |name: &str| call[name].as_f64().expect("a number");
    assert!(ms("queue_ms") > 10.0 && ms("work_ms") > 10.0, "{call}");
    assert!(ms("ms") >= ms("queue_ms") + ms("work_ms"), "{call}");
}

/// It is in the queue, and its report must know for how long: such are the waits that
/// matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_given_up_has_the_times_that_it_had() {
    let server = ServerProcess::start(&["--work", "1h", "--max-workers", "1"]);
    let at_work = [("grpc-timeout", "400m")];
    let call = line_of(&server, &at_work).await;
    assert_eq!(call["code"], "DEADLINE_EXCEEDED");
    let ms = |call: &serde_json::Value, name: &str| call[name].as_f64().expect("a number");
    assert!(ms(&call, "work_ms") > 200.0, "{call}");

    let server =
        ServerProcess::start(&["--work", "1h", "--max-workers", "1", "--log-level", "debug"]);
    let (_answer, mut first) = Caller::connect(&server.address).await.begin(&[]).await;
    first.send_data(message(false, &text("first")), true).expect("sent");
    server.wait_for_event("request : first");
    // The first has had its worker for less time than this one has.
    let call = line_of(&server, &[("grpc-timeout", "2S")]).await;
    assert_eq!(call["code"], "DEADLINE_EXCEEDED", "{call}");
    assert!(ms(&call, "queue_ms") > 200.0, "{call}");
    assert_eq!(ms(&call, "work_ms"), 0.0, "{call}");
}

#[test]
fn what_a_caller_chose_is_escaped_and_cut() {
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
async fn access_errors_leaves_out_what_went_well() {
    let server = ServerProcess::with(&[("SAMPLE__LOG__ACCESS", "errors")], &[]);
    let mut caller = Caller::connect(&server.address).await;
    caller.call(&[], message(false, &text("hello"))).await;
    caller.call(&[("grpc-timeout", "0n")], message(false, &text("hello"))).await;
    assert_eq!(server.wait_for_event("call")["code"], "DEADLINE_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_call_is_a_warning_even_where_access_is_off() {
    let off = [("SAMPLE__LOG__ACCESS", "off"), ("SAMPLE__LOG__SLOW", "10ms")];
    let server = ServerProcess::with(&off, &["--work", "20ms"]);
    // This one is refused at once, and is not slow.
    let mut caller = Caller::connect(&server.address).await;
    caller.call(&[("grpc-timeout", "0n")], message(false, &text("hello"))).await;
    let call = line_of(&server, &[]).await;
    assert_eq!(call["level"], "WARN");
    assert_eq!(call["code"], "OK");
}

#[test]
fn probes_leave_a_line_only_where_they_fail_or_at_debug() {
    let server = ServerProcess::start(&[]);
    server.run(&["health"]);
    server.run(&["health", "Nonsense"]);
    let call = server.wait_for_event("call");
    assert_eq!(call["method"], "/grpc.health.v1.Health/Check");
    assert_eq!(call["code"], "NOT_FOUND");

    // With `off` not even that, and a watch that its client ends has not failed.
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
fn text_says_the_same() {
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

/// Nobody reads while the calls are made: what the writer cannot hold is lost, and
/// each line that is lost is counted.
#[test]
fn every_call_of_a_hundred_thousand_is_a_line_or_counted_as_lost() {
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
        let channel = crate::support::connect(&address).await;
        let calls = (0..AT_ONCE).map(|_| {
            let mut client = crate::support::client(channel.clone());
            tokio::spawn(async move {
                for _ in 1..=CALLS / AT_ONCE {
                    client.call(crate::support::request("hello")).await.expect("served");
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
    // The call that waited for the server, and five lines of its start and its end.
    assert_eq!(written + lost, CALLS + 1 + 5);
}
