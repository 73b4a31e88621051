//! The memory budget.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{
    http2::{END_HEADERS, HEADERS, PREFACE, Peer, SETTINGS, frame, headers},
    in_process::{InProcess, client, connect, request},
    metrics::{METRICS, scrape},
    process::{ServerProcess, command, stdout},
    wire::{Caller, message, read, text},
};

const MIB: usize = 1 << 20;
const MEMORY: (&str, &str) = ("SAMPLE__LIMITS__MEMORY", "8MiB");

fn series(server: &ServerProcess, name: &str) -> f64 {
    scrape(&server.metrics_address)[name]
}

/// Waits until calls hold this many bytes of messages.
async fn wait_for_messages(server: &ServerProcess, bytes: f64) {
    while series(server, "chassis_held_bytes{kind=\"messages\"}") < bytes {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_arrive_fill_the_budget_and_no_more_and_small_calls_are_served() {
    let server = ServerProcess::with(&[METRICS, MEMORY], &[]);
    let part = message(false, &text(&"x".repeat(3 * MIB))).slice(..3 * MIB);
    let (mut refused, mut waiting) = (0, Vec::new());
    let mut caller = Caller::connect(&server.address).await;
    for _ in 0..6 {
        let (response, mut stream) = caller.begin(&[("grpc-timeout", "300S")]).await;
        stream.send_data(part.clone(), false).expect("it is open");
        let timed = tokio::time::timeout(Duration::from_secs(2), read(response)).await;
        match timed {
            Ok(response) => {
                let status = response.status();
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                assert!(status.get_details_retry_info().is_some(), "{status}");
                assert!(response.trailers.contains_key("grpc-retry-pushback-ms"));
                refused += 1;
            }
            Err(_waits) => waiting.push(stream),
        }
    }
    assert!(refused >= 3 && !waiting.is_empty(), "{refused} of 6 are refused");
    assert!(series(&server, "chassis_memory_refused_total{kind=\"messages\"}") >= 1.0);
    let limit = series(&server, "chassis_memory_limit_bytes");
    assert_eq!(limit, (8 * MIB) as f64);
    assert!(series(&server, "chassis_held_bytes{kind=\"messages\"}") <= limit);

    let mut other = client(connect(&server.address).await);
    let reply = other.call(request("small")).await.expect("there is room for it");
    assert_eq!(reply.into_inner().reply, "reply for small");
    assert_eq!(server.run(&["health"]).status.code(), Some(0));

    drop((waiting, caller));
    while series(&server, "chassis_held_bytes{kind=\"messages\"}") > 0.0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let whole = other.call(request(&"x".repeat(2 * MIB))).await;
    assert!(whole.is_ok(), "{whole:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_the_queue_and_at_work_count() {
    let server = ServerProcess::with(&[METRICS, MEMORY], &["--work", "1h", "--max-workers", "1"]);
    let mut callers = Vec::new();
    for _ in 0..2 {
        let mut caller = client(connect(&server.address).await);
        callers.push(tokio::spawn(async move { caller.call(request(&"x".repeat(MIB))).await }));
    }
    // The message at work counts twice, because the handler has a copy.
    wait_for_messages(&server, 3.0 * MIB as f64).await;
    callers.iter().for_each(|call| call.abort());
    while series(&server, "chassis_held_bytes{kind=\"messages\"}") > 0.0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_that_are_not_read_fill_the_budget_and_no_more() {
    let server = ServerProcess::with(&[METRICS, MEMORY], &[]);
    let (mut builder, mut waiting) = (h2::client::Builder::new(), 0);
    builder.initial_window_size(0);
    let stream = tokio::net::TcpStream::connect(&server.address).await.expect("a server");
    let (mut sender, connection) =
        builder.handshake::<_, bytes::Bytes>(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    let body = message(false, &text(&"x".repeat(2 * MIB)));
    let mut refused = 0;
    let mut kept = Vec::new();
    for _ in 0..6 {
        sender = sender.ready().await.expect("a stream");
        let call = http::Request::post("http://test/SampleService/Call")
            .header("content-type", "application/grpc")
            .body(())
            .expect("a request");
        let (response, mut upload) = sender.send_request(call, false).expect("sent");
        upload.send_data(body.clone(), true).expect("sent");
        let response = response.await.expect("a head");
        if response.headers().contains_key("grpc-status") {
            refused += 1;
        } else {
            waiting += 1;
        }
        kept.push(response);
    }
    assert!(refused >= 2 && waiting >= 1, "{refused} are refused, {waiting} wait");
    let limit = (8 * MIB) as f64;
    assert!(series(&server, "chassis_held_bytes{kind=\"responses\"}") <= limit);
    assert!(series(&server, "chassis_held_bytes{kind=\"responses\"}") >= (2 * MIB) as f64);
}

/// Each field is a reference of one byte to HPACK's dynamic table.
#[cfg(not(feature = "http2-h2"))]
#[tokio::test(flavor = "multi_thread")]
async fn heads_fill_the_budget_and_no_more() {
    let server = ServerProcess::with(&[METRICS, MEMORY], &[]);
    let mut first =
        headers("/SampleService/Call", &[("content-type", "application/grpc"), ("te", "trailers")]);
    // A literal with incremental indexing, which is entry 62 from then on.
    first.extend([0x40, 1, b'c', 0]);
    let mut later = first[..first.len() - 4].to_vec();
    later.extend([0x80 | 62; 90]);
    let mut peers = Vec::new();
    for _ in 0..10 {
        let mut peer = Peer::connect(&server.address).await;
        let settings = frame(SETTINGS, 0, 0, &[]);
        let mut flood = [PREFACE, &settings, &frame(HEADERS, END_HEADERS, 1, &first)].concat();
        for stream in (3..400).step_by(2) {
            flood.extend(frame(HEADERS, END_HEADERS, stream, &later));
        }
        // Writing fails if the server ends this connection because it holds the most.
        let _ = peer.0.write_all(&flood).await;
        peers.push(peer);
    }
    let mut other = client(connect(&server.address).await);
    let reply = other.call(request("small")).await;
    assert!(reply.is_ok(), "{reply:?}");
    assert!(series(&server, "chassis_memory_refused_total{kind=\"heads\"}") >= 100.0);
    assert!(series(&server, "chassis_held_bytes{kind=\"heads\"}") <= (8 * MIB) as f64);
}

#[cfg(not(feature = "http2-h2"))]
#[tokio::test]
async fn a_request_with_too_many_fields_gets_431() {
    let server = InProcess::start(&[("limits.header_fields", "20")]).await;
    let mut caller = client(server.connect().await);
    let with = |fields: usize| {
        let mut request = tonic::Request::new(request("fields"));
        for number in 0..fields {
            let name: tonic::metadata::MetadataKey<_> =
                format!("x-{number}").parse().expect("a name");
            request.metadata_mut().insert(name, "v".parse().expect("a value"));
        }
        request
    };
    assert!(caller.call(with(10)).await.is_ok());
    let status = caller.call(with(20)).await.expect_err("it has too many");
    assert!(status.message().contains("431"), "{status}");
}

#[test]
fn the_budget_is_shown_with_its_source() {
    let show = |variables: &[(&str, &str)]| {
        let mut command = command(&["config", "show"]);
        let output = command.envs(variables.iter().copied()).output().expect("the binary runs");
        let shown = stdout(&output);
        let line = shown.lines().find(|line| line.starts_with("memory = "));
        line.expect("it is a setting").to_owned()
    };
    let derived = show(&[]);
    assert!(derived.contains("MiB\"") && derived.contains("# default: "), "{derived}");
    let given = show(&[MEMORY]);
    assert!(given.contains("\"8MiB\"") && given.ends_with("# SAMPLE__LIMITS__MEMORY"), "{given}");
}
