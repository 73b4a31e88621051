//! Calls over the concurrency limit, calls past their deadline, and messages over the size
//! limit: their statuses and their memory.

use std::time::Duration;

use bytes::Bytes;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{
    in_process::InProcess,
    process::{ServerProcess, event, memory, stderr, stdout},
    python, test_service,
    wire::{Caller, gzip, message, read, text},
};

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn calls_over_the_limit_are_refused_at_once_with_both_retry_hints() {
    let server = ServerProcess::with(
        &[("SAMPLE__QUEUE__LENGTH", "2"), ("SAMPLE__QUEUE__TIMEOUT", "1h")],
        &["--work", "1h", "--max-workers", "3", "--log-level", "debug"],
    );
    let mut caller = Caller::connect(&server.address).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let (response, mut stream) = caller.begin(&[]).await;
        stream.send_data(message(false, &text("busy")), true).expect("sent");
        open.push(response);
    }
    for _ in 0..3 {
        server.wait_for_event("request : busy");
    }
    // The queue has room for two of the seven, and the others are refused. Which two is a race, so
    // the refusals of all calls are collected.
    for _ in 0..7 {
        let (response, mut stream) = caller.begin(&[]).await;
        stream.send_data(message(false, &text("more")), true).expect("sent");
        open.push(response);
    }
    let responses = futures_util::stream::iter(open.into_iter().map(read));
    let mut refused = futures_util::StreamExt::buffer_unordered(responses, 10);
    for _ in 0..5 {
        let refusal = futures_util::StreamExt::next(&mut refused).await.expect("a refusal");
        let status = refusal.status();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let info = status.get_details_retry_info().expect("RetryInfo in the details");
        let pushback = refusal.trailers["grpc-retry-pushback-ms"].to_str().expect("ASCII");
        let pushback = Duration::from_millis(pushback.parse().expect("a number"));
        let advice = info.retry_delay.expect("a delay");
        assert!(pushback > Duration::ZERO);
        assert!(advice.abs_diff(pushback) < Duration::from_millis(1), "{advice:?} {pushback:?}");
    }
    // The other calls run or wait, and health responds.
    assert_eq!(server.run(&["health", "--timeout", "30s"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_frees_the_worker_or_the_slot_in_the_queue() {
    let server = ServerProcess::with(
        &[("SAMPLE__QUEUE__LENGTH", "1"), ("SAMPLE__QUEUE__TIMEOUT", "1h")],
        &["--work", "1h", "--max-workers", "1", "--log-level", "debug"],
    );
    let mut caller = Caller::connect(&server.address).await;
    let (_response, mut working) = caller.begin(&[]).await;
    working.send_data(message(false, &text("at work")), true).expect("sent");
    server.wait_for_event("request : at work");
    // One of the two gets the slot in the queue, and the other is refused.
    let (first, mut first_stream) = caller.begin(&[]).await;
    let (second, mut second_stream) = caller.begin(&[]).await;
    for stream in [&mut first_stream, &mut second_stream] {
        stream.send_data(message(false, &text("leaves the queue")), true).expect("sent");
    }
    let (refused, mut queued) = tokio::select! {
        refused = read(first) => (refused, second_stream),
        refused = read(second) => (refused, first_stream),
    };
    assert_eq!(refused.status().message(), "the queue is full");
    queued.send_reset(h2::Reason::CANCEL);
    server.process.wait_for(|line| (event(line)["code"] == "CANCELLED").then_some(()));
    let (response, mut stream) = caller.begin(&[]).await;
    stream.send_data(message(false, &text("next")), true).expect("sent");

    // A reset frees the worker. The end of a connection frees it too.
    working.send_reset(h2::Reason::CANCEL);
    server.wait_for_event("request : next");
    drop((response, stream, caller));
    let mut other = Caller::connect(&server.address).await;
    let (_response, mut stream) = other.begin(&[]).await;
    stream.send_data(message(false, &text("last")), true).expect("sent");
    server.wait_for_event("request : last");
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_of_caller_and_server_end_calls_with_deadline_exceeded() {
    const DEFAULT: (&str, &str) = ("SAMPLE__DEADLINE__DEFAULT", "200ms");
    const MAX: (&str, &str) = ("SAMPLE__DEADLINE__MAX", "200ms");
    for (settings, header) in [
        (&[DEFAULT][..], &[][..]),
        (&[DEFAULT, MAX], &[("grpc-timeout", "1H")]),
        (&[], &[("grpc-timeout", "200m")]),
    ] {
        let server = ServerProcess::with(settings, &["--work", "1h"]);
        let mut caller = Caller::connect(&server.address).await;
        let response = caller.call(header, message(false, &text("slow"))).await;
        assert_eq!(response.code(), Code::DeadlineExceeded, "{settings:?} {header:?}");
        assert_eq!(server.wait_for_event("call")["code"], "DEADLINE_EXCEEDED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_call_past_its_deadline_never_runs() {
    let server =
        ServerProcess::start(&["--work", "1h", "--max-workers", "1", "--log-level", "debug"]);
    let mut caller = Caller::connect(&server.address).await;
    let (_working, mut stream) = caller.begin(&[]).await;
    stream.send_data(message(false, &text("at work")), true).expect("sent");
    server.wait_for_event("request : at work");

    let late = caller.call(&[("grpc-timeout", "4S")], message(false, &text("late"))).await;
    assert_eq!(late.code(), Code::DeadlineExceeded);
    stream.send_reset(h2::Reason::CANCEL);
    // The worker is free now, and the next call runs, not the late one.
    let (_response, mut stream) = caller.begin(&[]).await;
    stream.send_data(message(false, &text("next")), true).expect("sent");
    server.process.wait_for(|line| {
        assert!(!line.contains("request : late"), "{line}");
        line.contains("request : next").then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_without_a_complete_message_hold_no_worker() {
    let server = InProcess::start(&[]).await;
    let mut caller = Caller::connect(&server.address).await;
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(caller.begin(&[]).await);
    }
    // Half a message is not enough either.
    for (_, stream) in &mut open {
        stream.send_data(Bytes::from_static(&[0, 0, 0, 0, 9, 0x0a]), false).expect("sent");
    }
    let response = caller.call(&[], message(false, &text("hello"))).await;
    assert_eq!(response.code(), Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_limit_applies_to_the_decompressed_size() {
    for (limit, size, code) in
        [("1MiB", 2 * MIB, Code::ResourceExhausted), ("8MiB", 5 * MIB, Code::Ok)]
    {
        let server = InProcess::start(&[("limits.message", limit)]).await;
        let mut caller = Caller::connect(&server.address).await;
        let compressed = gzip(&text(&"x".repeat(size)));
        let headers = [("grpc-encoding", "gzip")];
        let response = caller.call(&headers, message(true, &compressed)).await;
        assert_eq!(response.code(), code, "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_limit_is_resource_exhausted_with_both_sizes() {
    let server = InProcess::start(&[("limits.message", "1MiB")]).await;
    let mut caller = Caller::connect(&server.address).await;
    let fits = "x".repeat(MIB - 4);
    assert_eq!(text(&fits).len(), MIB);
    let response = caller.call(&[], message(false, &text(&fits))).await;
    assert_eq!(response.code(), Code::Ok);

    let response = caller.call(&[], message(false, &text(&(fits + "x")))).await;
    let status = response.status();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("1048577"), "{status}");
    assert!(status.message().contains("1048576"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_compressed_if_the_request_was() {
    let server = InProcess::start(&[]).await;
    let mut caller = Caller::connect(&server.address).await;
    let reply = text("reply for hello");
    let accept = ("grpc-accept-encoding", "gzip,zstd");
    for encoding in ["gzip", "zstd"] {
        let hello = match encoding {
            "gzip" => gzip(&text("hello")),
            _ => zstd::encode_all(&text("hello")[..], 3).expect("writing to memory cannot fail"),
        };
        let headers = [("grpc-encoding", encoding), accept];
        let response = caller.call(&headers, message(true, &hello)).await;
        assert_eq!(response.code(), Code::Ok, "{encoding}");
        assert_eq!(response.body[0], 1, "{encoding}");
        assert_ne!(response.body[5..], reply, "{encoding}");
    }
    for headers in [&[accept][..], &[accept, ("grpc-encoding", "identity")]] {
        let response = caller.call(headers, message(false, &text("hello"))).await;
        assert_eq!(response.body, message(false, &reply));
    }

    // An unknown encoding is refused with a list of those that are supported.
    let headers = [("grpc-encoding", "snappy")];
    let response = caller.call(&headers, message(true, b"?")).await;
    assert_eq!(response.code(), Code::Unimplemented);
    assert_eq!(response.headers["grpc-accept-encoding"], "gzip,zstd,identity");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decompression_bomb_costs_no_more_memory_than_the_limit() {
    let server = ServerProcess::start(&[]);
    let mut caller = Caller::connect(&server.address).await;
    caller.call(&[], message(false, &text("hello"))).await;
    let before = memory(server.process.id());
    for (encoding, bomb) in [
        ("gzip", gzip(&vec![0; 256 * MIB])),
        (
            "zstd",
            zstd::encode_all(&vec![0; 1024 * MIB][..], 3).expect("writing to memory cannot fail"),
        ),
    ] {
        assert!(bomb.len() < MIB, "{} bytes", bomb.len());
        let response = caller.call(&[("grpc-encoding", encoding)], message(true, &bomb)).await;
        let status = response.status();
        assert_eq!(status.code(), Code::ResourceExhausted, "{encoding}: {status}");
        assert!(status.message().contains("4194304"), "{status}");
    }
    // Up to the limit for each bomb, and memory that the allocator has not given back.
    let grown = memory(server.process.id()).saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB more");
}

#[test]
fn grpcio_understands_refusals_deadlines_and_panics() {
    let Some(mut client) = python::script("overload.py") else { return };
    let panics = test_service::start(&[]);
    let server = ServerProcess::with(
        &[("SAMPLE__QUEUE__LENGTH", "0")],
        &["--work", "1h", "--max-workers", "1"],
    );
    let output = client.args([&server.address, &panics.address]).output().expect("python runs");
    assert!(output.status.success(), "{}", stderr(&output));
    print!("{}", stdout(&output));
}
