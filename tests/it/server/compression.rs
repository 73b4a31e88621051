//! Compressed messages: they do not delay other callers, and those of too much memory are refused.

use std::{env, fs, process::Command};

use tonic::Code;

use crate::support::{
    http1::get,
    in_process::InProcess,
    metrics::METRICS,
    process::ServerProcess,
    wire::{Caller, gzip, message, text},
};

const MIB: usize = 1024 * 1024;
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// Returns a CPU that this process may use.
fn cpu() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("it is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let cpus = line.expect("a list").trim();
    cpus.split([',', '-']).next().expect("at least one").to_owned()
}

/// Starts the server on a single CPU: then a single thread serves all calls.
fn start_on_one_cpu(settings: &[(&str, &str)]) -> ServerProcess {
    let mut serve = Command::new("taskset");
    serve.args(["-c", &cpu(), env!("CARGO_BIN_EXE_sample-service"), "serve"]);
    serve.args(["--log-format", "json"]).env_remove("RUST_LOG");
    ServerProcess::start_command(serve.envs(settings.iter().copied()), &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_other_calls_are_answered_while_large_messages_are_compressed() {
    let server = start_on_one_cpu(&[
        METRICS,
        ("SAMPLE__SERVER__HEALTH_ADDRESS", "127.0.0.1:0"),
        ("SAMPLE__LIMITS__MESSAGE", "64MiB"),
        ("SAMPLE__DEADLINE__DEFAULT", "1h"),
        ("SAMPLE__DEADLINE__MAX", "1h"),
        // Small calls find a worker, because a large call holds none while its message is
        // decompressed or compressed.
        ("SAMPLE__SERVER__MAX_WORKERS", "2"),
    ]);
    let large = message(true, &gzip(&text(&"x".repeat(24 * MIB))));
    let compressed = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip")];
    let mut loads = Vec::new();
    for _ in 0..2 {
        loads.push(Caller::connect(&server.address).await);
    }
    let mut shared = loads[0].clone();
    let mut large_calls = tokio::task::JoinSet::new();
    for mut caller in loads {
        let large = large.clone();
        large_calls.spawn(async move { caller.call(&compressed, large).await });
    }
    let finished = tokio::spawn(large_calls.join_all());

    let mut probe = Caller::connect(&server.health_address).await;
    let mut other = Caller::connect(&server.address).await;
    let mut rounds = 0;
    while !finished.is_finished() {
        let nothing = || message(false, &[]);
        assert_eq!(probe.call_at(HEALTH, &[], nothing()).await.code(), Code::Ok);
        assert_eq!(shared.call_at(HEALTH, &[], nothing()).await.code(), Code::Ok);
        assert_eq!(other.call(&[], message(false, &text("small"))).await.code(), Code::Ok);
        assert_eq!(get(&server.metrics_address, "/readyz").status, 200);
        rounds += 1;
    }
    let responses = finished.await.expect("no panic");
    assert!(responses.iter().all(|response| response.code() == Code::Ok), "{responses:?}");
    assert!(responses.iter().all(|response| response.body[0] == 1));
    // If the thread of the calls did this work, there would be four rounds: one for each of the two
    // decompressions and two compressions.
    assert!(rounds >= 10, "{rounds}");
}

/// Returns a frame of zstd that contains one byte and asks for a window of this logarithm
/// (RFC 8878, 3.1.1).
fn zstd_frame(window_log: u8) -> Vec<u8> {
    vec![0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3, 0b0000_1001, 0, 0, 0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zstd_frame_that_asks_for_too_much_memory_is_resource_exhausted() {
    let server = InProcess::start(&[]).await;
    let mut caller = Caller::connect(&server.address).await;
    for window_log in [24, 27, 31] {
        let frame = message(true, &zstd_frame(window_log));
        let response = caller.call(&[("grpc-encoding", "zstd")], frame).await;
        let status = response.status();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(status.message().contains("8388608"), "{status}");
    }
    // A byte of zero is not a message of protobuf, but it has been decompressed.
    let frame = message(true, &zstd_frame(23));
    let response = caller.call(&[("grpc-encoding", "zstd")], frame).await;
    assert_eq!(response.code(), Code::Internal);
    assert!(!response.status().message().contains("decompress"), "{}", response.status());
}
