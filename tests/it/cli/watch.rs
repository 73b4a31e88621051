//! `sample-service health --watch`.

use rustix::process::Signal;
use tonic::Code;

use crate::support::{
    process::{Process, ServerProcess, command, event, run, stderr, stdout, unused_address},
    scripted::{Reaction, Scripted},
};

fn watch(address: &str, more: &[&str]) -> Process {
    let arguments = ["health", "--watch", "--timeout", "60s", "--address", address];
    Process::spawn(&mut command(&[&arguments, more].concat()))
}

/// Returns the status of the next line, which must begin with a time.
fn next(watch: &Process) -> String {
    watch.wait_for(|line| {
        let (time, status) = line.split_once(' ').expect("a time and a status");
        humantime::parse_rfc3339(time).expect("RFC 3339");
        Some(status.to_owned())
    })
}

#[test]
fn a_watch_prints_each_change_and_reconnects() {
    let lame = [("SAMPLE__SHUTDOWN__LAME_DUCK", "1s")];
    let server = ServerProcess::with(&lame, &[]);
    let watch = watch(&server.address, &[]);
    assert_eq!(next(&watch), "SERVING");
    server.process.signal(Signal::TERM);
    assert_eq!(next(&watch), "NOT_SERVING");
    let address = server.address;
    server.process.wait();
    let lost = next(&watch);
    assert!(lost.starts_with("lost, connecting again: UNAVAILABLE: "), "{lost}");

    let _server = ServerProcess::start(&["--address", &address]);
    assert_eq!(next(&watch), "SERVING");
    watch.signal(Signal::INT);
    let (status, lines) = watch.wait();
    assert_eq!(lines, [""; 0]);
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_watch_with_json_prints_one_object_per_change() {
    let server = ServerProcess::start(&[]);
    let watch = watch(&server.address, &["--json"]);
    let line = watch.wait_for(|line| Some(event(line)));
    assert_eq!(line["status"], "SERVING");
    let time = line["time"].as_str().expect("text");
    humantime::parse_rfc3339(time).expect("RFC 3339");
    server.process.signal(Signal::KILL);
    let line = watch.wait_for(|line| Some(event(line)));
    assert_eq!(line["lost"]["code"], "UNAVAILABLE");
    watch.signal(Signal::TERM);
    assert_eq!(watch.wait().0.code(), Some(0));
}

#[test]
fn a_watch_without_a_first_connection_is_exit_code_2() {
    let output = command(&["health", "--watch", "--address", &unused_address()]).output();
    let output = output.expect("it runs");
    assert!(stderr(&output).starts_with("error: cannot connect to"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_watch_says_once_why_there_is_no_connection_yet() {
    let address = unused_address();
    let watch = watch(&address, &["--wait-for-ready"]);
    let refused = format!("cannot connect to {address}: Connection refused (os error 111)");
    assert_eq!(next(&watch), format!("no status yet: {refused}"));
    let _server = ServerProcess::start(&["--address", &address]);
    assert_eq!(next(&watch), "SERVING");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_says_once_for_each_reason_why_there_is_no_status_yet() {
    let busy = Reaction::Status(Code::ResourceExhausted, None);
    let script = [busy, busy, Reaction::Status(Code::Internal, None), busy, Reaction::HeadAlone];
    let server = Scripted::start(&script).await;
    let arguments = ["health", "--watch", "--json", "--timeout", "10s"];
    let watch = Process::spawn(command(&arguments).args(["--address", &server.address]));
    for code in ["RESOURCE_EXHAUSTED", "INTERNAL"] {
        let line = watch.wait_for(|line| Some(event(line)));
        assert_eq!(line["no_status"]["code"], code, "{line}");
        humantime::parse_rfc3339(line["time"].as_str().expect("text")).expect("RFC 3339");
    }
    watch.signal(Signal::INT);
    assert_eq!(watch.wait().1, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeout_bounds_the_first_status_of_a_watch() {
    let busy = Reaction::Status(Code::ResourceExhausted, None);
    for (script, reason) in [
        (&[Reaction::HeadAlone][..], "\n"),
        (&[busy, Reaction::HeadAlone], ": RESOURCE_EXHAUSTED: \n"),
    ] {
        let server = Scripted::start(script).await;
        let arguments = ["health", "--watch", "--timeout", "500ms", "--address", &server.address];
        let output = tokio::task::block_in_place(|| run(&arguments));
        let expected =
            format!("error: DEADLINE_EXCEEDED: there was no status within 500ms{reason}");
        assert_eq!(stderr(&output), expected);
        assert_eq!(stdout(&output).lines().count(), script.len() - 1);
        assert_eq!(output.status.code(), Some(3));
    }
    let arguments = ["health", "--watch", "--wait-for-ready", "--timeout", "200ms", "--address"];
    let output = run(&[&arguments[..], &[&unused_address()]].concat());
    assert!(stderr(&output).starts_with("error: cannot connect to"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}
