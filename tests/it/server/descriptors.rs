//! The limit of file descriptors: the server raises it, divides it, and recovers if none is left.

use std::{fs, process::Command, time::Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::support::{
    http1::get,
    http2::{self, DATA, END_HEADERS, END_STREAM, HEADERS, Peer, SETTINGS, frame, grpc_headers},
    metrics::{METRICS, scrape},
    process::{Process, ServerProcess, command, event, report, run},
    wire::{message, text},
};

const HEALTH: (&str, &str) = ("SAMPLE__SERVER__HEALTH_ADDRESS", "127.0.0.1:0");
const ANY_PEER: (&str, &str) = ("SAMPLE__LIMITS__CONNECTIONS_PER_PEER", "0");

/// Returns a shell that sets this limit, and then executes the server.
fn shell(ulimit: &str) -> Command {
    let binary = command(&[]);
    let mut shell = Command::new("sh");
    let script = format!("ulimit {ulimit}; exec \"$0\" serve --log-format json \"$@\"");
    shell.args(["-c", &script]).arg(binary.get_program()).env_remove("RUST_LOG");
    shell
}

fn start_with(ulimit: &str, settings: &[(&str, &str)]) -> ServerProcess {
    ServerProcess::start_command(shell(ulimit).envs(settings.iter().copied()), &[])
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let server = start_with("-S -n 100", &[METRICS]);
    let hard = getrlimit(Resource::Nofile).maximum.map_or(f64::INFINITY, |most| most as f64);
    assert_eq!(scrape(&server.metrics_address)["process_max_fds"], hard);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_new_clients_are_served_although_idle_clients_want_all_descriptors() {
    let server = start_with("-n 64", &[METRICS, HEALTH, ANY_PEER]);
    let mut peers = Vec::new();
    for _ in 0..80 {
        peers.push(Peer::handshake(&server.address).await);
    }
    assert_eq!(get(&server.metrics_address, "/livez").status, 200);
    assert_eq!(get(&server.metrics_address, "/readyz").status, 200);
    let health = ["health", "--address", &server.health_address, "--timeout", "60s"];
    assert_eq!(run(&health).status.code(), Some(0));
    assert_eq!(server.run(&["call", "--timeout", "60s"]).status.code(), Some(0));
    let series = scrape(&server.metrics_address);
    assert!(series["chassis_connections_evicted_total"] > 0.0);
    assert!(series["chassis_connections_limit"] < 64.0);
    assert!(series["process_open_fds"] < 64.0);
    drop(peers);
}

#[test]
fn too_few_descriptors_for_the_limit_are_a_warning_at_the_start() {
    let mut server = shell("-n 64");
    let server = Process::spawn(server.args(["--address", "127.0.0.1:0"]));
    let warning = server.wait_for(|line| Some(event(line)).filter(|line| line["level"] == "WARN"));
    let message = warning["message"].as_str().expect("a message");
    assert!(message.contains("too few file descriptors for limits.connections"), "{warning}");
    assert_eq!(warning["descriptors"], 64);
    assert!(warning["connections"].as_u64().is_some_and(|limit| limit < 64), "{warning}");
}

/// Limits the descriptors of the process to those that it has open, and `more`.
fn limit_descriptors(server: &ServerProcess, more: usize) {
    let id = server.process.id();
    let open = fs::read_dir(format!("/proc/{id}/fd")).expect("it runs").count();
    let limit = Some((open + more) as u64);
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    let limit = Rlimit { current: limit, maximum: limit };
    prlimit(pid, Resource::Nofile, limit).expect("the limit can be lowered");
}

/// Connects, and sends a call that does not end.
async fn busy(server: &ServerProcess) -> Peer {
    let mut peer = Peer::handshake(&server.address).await;
    let head = grpc_headers("/SampleService/Call");
    peer.send(&frame(HEADERS, END_HEADERS, 1, &head)).await;
    peer.send(&frame(DATA, END_STREAM, 1, &message(false, &text("busy")))).await;
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_file_descriptors_neither_spins_nor_fills_the_log_and_recovers() {
    let settings = [ANY_PEER, ("SAMPLE__SERVER__MAX_WORKERS", "100")];
    let server = ServerProcess::with(&settings, &["--work", "1h"]);
    limit_descriptors(&server, 10);
    let start = Instant::now();
    let mut peers = Vec::new();
    for _ in 0..10 {
        let mut peer = busy(&server).await;
        peer.next(SETTINGS).await.expect("there is room");
        peers.push(peer);
    }
    let mut next = Peer::handshake(&server.address).await;
    server.wait_for_event("no connection can be accepted at the moment");
    // There is no state to wait for: a busy loop, if there is one, needs time to show.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;

    // The waiting connection is served as soon as another one has ended.
    drop(peers.pop());
    assert!(next.next(SETTINGS).await.is_some());
    let seconds = start.elapsed().as_secs() as usize;
    drop((next, peers));
    server.process.signal(rustix::process::Signal::INT);
    let (_, lines) = server.process.wait();
    let full = "no connection can be accepted at the moment";
    let warnings = lines.iter().filter(|line| event(line)["message"] == full).count();
    assert!(warnings <= seconds + 1, "{warnings} lines in {seconds} s");
    // The attempts count, and not the CPU time, because a busy loop gets little of it on a busy
    // machine. The backoff grows to a quarter of a second. Without it, there are thousands.
    let attempts = report(&lines)["connections_not_accepted"].as_u64().expect("a number");
    assert!((1..=20 + 4 * seconds as u64).contains(&attempts), "{attempts} in {seconds} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_gives_way_if_there_is_no_descriptor_left() {
    let server = ServerProcess::with(&[ANY_PEER], &[]);
    limit_descriptors(&server, 5);
    let mut idle = Vec::new();
    for _ in 0..5 {
        let mut peer = Peer::handshake(&server.address).await;
        peer.next(SETTINGS).await.expect("there is room");
        idle.push(peer);
    }
    let mut next = Peer::handshake(&server.address).await;
    assert!(next.next(SETTINGS).await.is_some(), "one of them gives way");
    assert!(idle[0].next(http2::GOAWAY).await.is_some(), "the oldest");
}
