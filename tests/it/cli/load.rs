//! `sample-service load`.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    path::Path,
    process::{Command, Output, Stdio},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use h2::Reason;
use rustix::{
    process::Signal,
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    certificates::Authority,
    metrics::{METRICS, scrape},
    process::{NEVER, Process, ServerProcess, command, event, run, stderr, stdout, unused_address},
    scripted::{Reaction, Scripted},
};

/// Starts a server with metrics and these settings.
fn server(settings: &[(&str, &str)], arguments: &[&str]) -> ServerProcess {
    ServerProcess::with(&[&[METRICS], settings].concat(), arguments)
}

/// Starts a server without a queue.
fn without_queue(workers: &str, work: &str) -> ServerProcess {
    server(&[("SAMPLE__QUEUE__LENGTH", "0")], &["--max-workers", workers, "--work", work])
}

fn load(server: &ServerProcess, arguments: &[&str]) -> Output {
    let timeout = ["--timeout", "60s"];
    let timeout = if arguments.contains(&"--timeout") { &timeout[..0] } else { &timeout };
    server.run(&[&["load", "--json"], timeout, arguments].concat())
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

/// Returns how many calls a server has handled with this code, or in all if `code` is empty.
fn handled(server: &ServerProcess, code: &str) -> u64 {
    let series = scrape(&server.metrics_address);
    let ours = series.iter().filter(|(name, _)| {
        name.starts_with("grpc_server_handled_total{") && name.contains("\"SampleService\"")
    });
    let label = format!("grpc_code=\"{code}");
    ours.filter(|(name, _)| name.contains(&label)).map(|(_, calls)| *calls as u64).sum()
}

/// Waits until a server has handled this many calls, because it counts a call a moment after
/// its response is sent.
fn wait_for_handled(server: &ServerProcess, calls: u64) {
    let deadline = Instant::now() + NEVER;
    while handled(server, "") < calls {
        assert!(Instant::now() < deadline, "{} of {calls} calls", handled(server, ""));
        thread::yield_now();
    }
}

#[test]
fn a_closed_loop_makes_the_number_of_calls_of_its_flag() {
    let server = server(&[], &["--max-workers", "100"]);
    let output = load(&server, &["--calls", "501", "--concurrency", "7", "--connections", "3"]);
    let report = report(&output);
    assert_eq!(report["codes"], serde_json::json!({ "OK": 501 }), "{report}");
    assert_eq!(report["latency_ms"]["ok"]["count"], 501);
    assert_eq!(report["latency_from"], "begun");
    assert_eq!(report["settings"]["concurrency"], 7);
    assert_eq!(output.status.code(), Some(0));
    wait_for_handled(&server, 501);
    assert_eq!((handled(&server, "OK"), handled(&server, "")), (501, 501));
}

#[test]
fn the_calls_of_the_warmup_are_made_and_are_not_in_the_report() {
    for pace in [["--concurrency", "2"], ["--rate", "100"]] {
        let server = server(&[], &["--work", "10ms"]);
        let start = Instant::now();
        let output = load(&server, &[&pace[..], &["--calls", "7", "--warmup", "300ms"]].concat());
        let whole = start.elapsed().as_secs_f64();
        let report = report(&output);
        assert_eq!(report["codes"], serde_json::json!({ "OK": 7 }), "{report}");
        assert_eq!(report["settings"]["warmup_s"], 0.3);
        // The warm-up is not in the time of the report either.
        let elapsed = report["elapsed_s"].as_f64().expect("a time");
        assert!(elapsed + 0.3 < whole, "{whole} s: {report}");
        if pace[0] == "--rate" {
            wait_for_handled(&server, 37);
            assert_eq!(handled(&server, ""), 37);
        } else {
            wait_for_handled(&server, 8);
        }
    }
    let server = server(&[], &[]);
    let text = stdout(&server.run(&["load", "--calls", "1", "--warmup", "50ms"]));
    assert!(text.contains("the calls of the first 0.05 s, the warm-up, are left out"), "{text}");
}

#[test]
fn a_closed_loop_has_concurrency_calls_in_flight() {
    let server = without_queue("3", "20ms");
    let output = load(&server, &["--calls", "30", "--concurrency", "3"]);
    assert_eq!(report(&output)["codes"]["OK"], 30);
    let output = load(&server, &["--calls", "30", "--concurrency", "4"]);
    assert!(report(&output)["codes"]["RESOURCE_EXHAUSTED"].as_u64() > Some(0));
}

#[test]
fn an_open_loop_counts_the_same_as_the_server_and_errors_are_exit_code_3() {
    let server = without_queue("1", "50ms");
    let arguments = ["--rate", "100", "--duration", "500ms", "--connections", "2"];
    let (mut ok, mut refused) = (0, 0);
    for (more, code) in [(&[][..], 3), (&["--allow-errors"], 0)] {
        let output = load(&server, &[&arguments, more].concat());
        let report = report(&output);
        assert_eq!(output.status.code(), Some(code), "{report}");
        assert_eq!(report["calls"], 50, "{report}");
        assert_eq!(report["latency_from"], "due");
        let message = report["errors"]["RESOURCE_EXHAUSTED"].as_str().unwrap_or_default();
        assert!(message.contains("worker") || message.contains("queue"), "{report}");
        ok += report["codes"]["OK"].as_u64().expect("some");
        refused += report["codes"]["RESOURCE_EXHAUSTED"].as_u64().expect("some");
    }
    assert_eq!(ok + refused, 100);
    wait_for_handled(&server, 100);
    assert_eq!(handled(&server, "OK"), ok);
    assert_eq!(handled(&server, "ResourceExhausted"), refused);
}

#[test]
fn an_open_loop_does_not_wait_for_earlier_calls() {
    // The server can handle a tenth of the offered load.
    let server = server(&[], &["--max-workers", "1", "--work", "50ms"]);
    let report = report(&load(&server, &["--rate", "200", "--calls", "20"]));
    let ok = &report["latency_ms"]["ok"];
    assert_eq!(ok["count"], 20);
    // The last call waits for the nineteen before it.
    let (min, p99) = (ok["min"].as_f64().expect("a time"), ok["p99"].as_f64().expect("a time"));
    assert!(p99 > 500.0 && p99 > 4.0 * min, "{report}");
}

#[test]
fn latency_of_late_calls_counts_from_when_they_were_due() {
    const STOPPED: Duration = Duration::from_secs(1);
    let server = server(&[], &[]);
    let arguments = ["load", "--json", "--rate", "50", "--duration", "4s", "--timeout", "60s"];
    let load = Process::spawn(command(&arguments).args(["--address", &server.address]));
    wait_for_handled(&server, 1);
    load.signal(Signal::STOP);
    sleep(STOPPED);
    load.signal(Signal::CONT);
    let (status, lines) = load.wait();
    let report = event(&lines[0]);
    assert_eq!(status.code(), Some(0), "{report}");
    assert_eq!(report["calls"], 200, "{report}");
    let ms = |part: &Value| part["max"].as_f64().expect("a time");
    // The first call that was due while the process was stopped is about a second late.
    assert!(ms(&report["late_ms"]) > 200.0, "{report}");
    assert!(ms(&report["latency_ms"]["ok"]) >= ms(&report["late_ms"]), "{report}");
    assert_eq!(report["saturated"], true);
}

#[test]
fn a_rate_that_load_cannot_keep_is_reported_as_saturated() {
    let server = server(&[("SAMPLE__LOG__ACCESS", "off")], &["--max-workers", "100"]);
    let arguments = ["load", "--rate", "10000000", "--duration", "100ms", "--timeout", "200ms"];
    let output = server.run(&arguments);
    let text = stdout(&output);
    assert!(text.contains("Saturated: the schedule was not kept"), "{text}");
    assert!(text.contains("more were due and never begun"), "{text}");
}

#[test]
fn a_busy_processor_of_load_is_reported_as_saturated() {
    let server = server(&[("SAMPLE__LOG__ACCESS", "off")], &["--max-workers", "1000"]);
    // With 500 calls in flight, each thread of `load` is always busy.
    let arguments = ["--concurrency", "500", "--connections", "16", "--duration", "500ms"];
    let report = report(&load(&server, &arguments));
    let Some(busy) = report["busy"].as_f64() else { return };
    assert_eq!(report["saturated"], busy >= 0.95, "{report}");
    let idle = ServerProcess::start(&["--work", "50ms"]);
    let report = self::report(&load(&idle, &["--concurrency", "1", "--calls", "10"]));
    assert!(report["busy"].as_f64() < Some(busy), "{report}");
    assert_eq!(report["saturated"], false, "{report}");
}

#[test]
fn calls_are_spread_over_all_connections() {
    let server = server(&[], &["--max-workers", "100"]);
    load(&server, &["--calls", "40", "--connections", "4"]);
    let peers: BTreeSet<_> = (0..40)
        .map(|_| {
            server.process.wait_for(|line| event(line)["peer"].as_str().map(ToOwned::to_owned))
        })
        .collect();
    assert_eq!(peers.len(), 4, "{peers:?}");
}

#[test]
fn a_signal_ends_load_with_the_report_so_far() {
    for (signal, work, pace, code) in [
        (Signal::INT, "0s", ["--concurrency", "3"], 0),
        (Signal::TERM, "0s", ["--rate", "100"], 0),
        (Signal::INT, "1h", ["--concurrency", "3"], 3),
        (Signal::INT, "1h", ["--rate", "100"], 3),
    ] {
        let server = server(&[], &["--work", work]);
        let mut load = command(&["load", "--json", "--duration", "1h", "--timeout", "1h"]);
        let load = Process::spawn(load.args(pace).args(["--address", &server.address]));
        match work {
            // At least one response has reached load.
            "0s" => wait_for_handled(&server, 10),
            _ => wait_for_begun(&server, 3),
        }
        load.signal(signal);
        let (status, lines) = load.wait();
        let report = event(&lines[0]);
        assert_eq!(report["interrupted"], true);
        assert_eq!(status.code(), Some(code), "{report}");
        assert_eq!(report["calls"].as_u64() > Some(0), code == 0, "{report}");
        assert!(code == 0 || report["unfinished"].as_u64() >= Some(3), "{report}");
        assert_eq!(report["missed"], 0, "{report}");
    }
}

fn wait_for_begun(server: &ServerProcess, calls: usize) {
    let deadline = Instant::now() + NEVER;
    let begun = || {
        let series = scrape(&server.metrics_address);
        let ours = series.iter().filter(|(name, _)| {
            name.starts_with("grpc_server_started_total{") && name.contains("\"SampleService\"")
        });
        ours.map(|(_, calls)| *calls as usize).sum::<usize>()
    };
    while begun() < calls {
        assert!(Instant::now() < deadline, "{} of {calls} calls", begun());
        thread::yield_now();
    }
}

#[test]
fn calls_past_the_timeout_count_as_deadline_exceeded() {
    let server = server(&[], &["--work", "1h"]);
    let output = load(&server, &["--calls", "3", "--timeout", "200ms"]);
    assert_eq!(report(&output)["codes"], serde_json::json!({ "DEADLINE_EXCEEDED": 3 }));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn calls_to_a_lost_server_are_slowed_down() {
    let server = server(&[("SAMPLE__LOG__ACCESS", "off")], &[]);
    let arguments = ["load", "--json", "--duration", "3s", "--concurrency", "1"];
    let load = Process::spawn(command(&arguments).args(["--address", &server.address]));
    wait_for_handled(&server, 1);
    server.process.signal(Signal::KILL);
    let (status, lines) = load.wait();
    let failed = event(&lines[0])["codes"]["UNAVAILABLE"].as_u64();
    assert!(failed > Some(0) && failed < Some(100), "{lines:?}");
    assert_eq!(status.code(), Some(3));
}

/// A refused stream is no failure: every client retries the call once (transparent retry).
#[tokio::test(flavor = "multi_thread")]
async fn a_transparent_retry_counts_as_one_call() {
    let refused = Reaction::Reset(Reason::REFUSED_STREAM);
    for (script, code, status) in [(&[refused][..], "OK", 0), (&[refused; 2], "UNAVAILABLE", 3)] {
        let server = Scripted::start(script).await;
        let output = run(&["load", "--json", "--calls", "1", "--address", &server.address]);
        assert_eq!(report(&output)["codes"], serde_json::json!({ code: 1 }));
        assert_eq!(output.status.code(), Some(status));
    }
}

#[test]
fn graceful_shutdowns_lose_no_call_of_load() {
    let settings = [("SAMPLE__SHUTDOWN__LAME_DUCK", "0s"), ("SAMPLE__LOG__ACCESS", "off")];
    let mut servers: Vec<_> = (0..6).map(|_| server(&settings, &[])).collect();
    let addresses: Vec<_> = servers.iter().map(|server| &*server.address).collect();
    let addresses = addresses.join(",");
    let arguments = ["load", "--json", "--duration", "1h", "--concurrency", "50"];
    let load = Process::spawn(command(&arguments).args(["--address", &addresses]));
    for ends in servers.split_off(1) {
        wait_for_handled(&ends, 10);
        ends.process.signal(Signal::TERM);
        assert!(ends.process.wait().0.success());
        // No call meets two shutdowns, because it would be retried only once.
        wait_for_handled(&servers[0], handled(&servers[0], "") + 100);
    }
    load.signal(Signal::INT);
    let (status, lines) = load.wait();
    assert!(status.success(), "{lines:?}");
}

#[test]
fn the_size_flag_sets_the_size_of_the_message() {
    let server = server(&[("SAMPLE__LIMITS__MESSAGE", "1KiB")], &[]);
    // The field number and the length take two or three bytes more.
    for (size, code) in [("1020", 0), ("1KiB", 3)] {
        let output = load(&server, &["--calls", "1", "--size", size]);
        assert_eq!(output.status.code(), Some(code), "{}", report(&output));
    }
}

/// `load` must open the flow control windows again for responses that are larger than them.
#[test]
fn large_responses_are_read_to_their_end() {
    let server = server(&[], &[]);
    let output = load(&server, &["--calls", "8", "--concurrency", "2", "--size", "4000KiB"]);
    assert_eq!(output.status.code(), Some(0), "{}", report(&output));
}

#[test]
fn load_sends_metadata_with_each_call() {
    let server = server(&[], &[]);
    load(&server, &["--calls", "2", "--metadata", "x-request-id=blue"]);
    for _ in 0..2 {
        let id = server.process.wait_for(|line| event(line).get("request_id").cloned());
        assert_eq!(id, "blue");
    }
}

#[test]
fn load_measures_over_tls() {
    let folder = TempDir::new().expect("a folder");
    let authority = Authority::new("authority");
    let ca = authority.write(folder.path(), "ca.crt");
    let (cert, key) = authority.server().issue().write(folder.path());
    let tls = [("SAMPLE__TLS__CERTIFICATE", cert.as_str()), ("SAMPLE__TLS__KEY", &key)];
    let server = server(&tls, &["--max-workers", "100"]);
    let output = load(&server, &["--calls", "50", "--connections", "2", "--ca", &ca]);
    let report = report(&output);
    assert_eq!(report["codes"]["OK"], 50, "{report}");
    assert_eq!(report["settings"]["tls"], true);
    let output = load(&server, &["--calls", "50"]);
    assert!(stderr(&output).contains("the server speaks TLS: pass --tls"));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn load_without_a_connection_is_exit_code_2() {
    let address = unused_address();
    let output = run(&["load", "--connections", "5", "--address", &address]);
    assert_eq!(
        stderr(&output),
        format!("error: cannot connect to {address}: Connection refused (os error 111)\n")
    );
    assert_eq!((stdout(&output).as_str(), output.status.code()), ("", Some(2)));
}

#[test]
fn wrong_arguments_of_load_are_exit_code_1() {
    for (arguments, problem) in [
        (&["--rate", "0"][..], "expected calls per second"),
        (&["--rate", "NaN"], "expected calls per second"),
        (&["--rate", "5", "--concurrency", "5"], "cannot be used with"),
        (&["--calls", "5", "--duration", "5s"], "cannot be used with"),
        (&["--message", "x", "--size", "5"], "cannot be used with"),
        (&["--concurrency", "0"], "0 is not in 1.."),
        (&["--connections", "0"], "0 is not in 1.."),
        (&["--connections", "11"], "--connections 11 is more than --concurrency 10:"),
        (&["--connections", "3", "--concurrency", "2"], "Pass --concurrency 3 or more, or --rate"),
        (&["--calls", "0"], "0 is not in 1.."),
        (&["--duration", "5"], "expected a duration above 0"),
        (&["--duration", "5M"], "(ms, s, m, h or d)"),
        (&["--timeout", "5min"], "(ms, s, m, h or d)"),
        (&["--size", "2GiB"], "expected a size up to 1GiB"),
        (&["--metadata", "te=x"], "reserved by gRPC"),
        (&["--ca", "/nonexistent/ca"], "/nonexistent/ca: cannot be read: No such file"),
    ] {
        let output = run(&[&["load"], arguments].concat());
        let error = stderr(&output);
        assert!(error.contains(problem), "{arguments:?}: {error}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn the_text_report_has_counts_percentiles_and_codes() {
    let server = without_queue("1", "20ms");
    let output = server.run(&["load", "--calls", "20", "--concurrency", "2"]);
    let text = stdout(&output);
    let lines: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let has = |words: &[&str]| lines.iter().any(|line| line.starts_with(words));
    assert!(has(&["20", "calls", "in"]), "{text}");
    assert!(has(&["p50", "p90", "p99", "p99.9", "p99.99", "max"]), "{text}");
    assert!(has(&["RESOURCE_EXHAUSTED"]) && has(&["OK"]) && has(&["failed"]), "{text}");
    assert!(text.contains("closed loop, 2 calls at once") && text.contains('█'), "{text}");
    // There is no progress bar, because standard error is no terminal.
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_terminal_gets_a_progress_bar() {
    let server = server(&[], &["--work", "10ms"]);
    let (mut terminal, other) = terminal();
    let mut load = command(&["load", "--duration", "1s", "--address", &server.address]);
    load.env("TERM", "xterm").stdin(Stdio::null()).stdout(Stdio::null()).stderr(other);
    let mut child = load.spawn().expect("it runs");
    // The command holds the other end of the terminal open.
    drop(load);
    let mut seen = Vec::new();
    // Reading fails once the other end of the terminal is closed.
    let _ = io::copy(&mut terminal, &mut seen);
    assert!(child.wait().expect("it ran").success());
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("/s, 0 failed"), "{seen}");
}

fn terminal() -> (File, OwnedFd) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).expect("a terminal of this process");
    unlockpt(&terminal).expect("a terminal of this process");
    let other = ioctl_tiocgptpeer(&terminal, OpenptFlags::RDWR | OpenptFlags::NOCTTY);
    (terminal.into(), other.expect("its other end"))
}

#[test]
fn the_load_commands_of_the_documentation_run() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let document = fs::read_to_string(document).expect("the file exists");
    let commands = document.lines();
    let commands: Vec<_> =
        commands.filter_map(|line| line.strip_prefix("sample-service load ")).collect();
    assert!(commands.len() >= 2);
    let server = server(&[], &["--max-workers", "1000"]);
    for arguments in commands {
        let arguments = arguments.replace("--duration 30s", "--duration 100ms");
        let arguments: Vec<_> = arguments.split(' ').collect();
        let mut load: Command = command(&[&["load"], &arguments[..]].concat());
        let output = load.args(["--address", &server.address]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    }
}
