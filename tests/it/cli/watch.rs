//! `sample-service health --watch`.

use rustix::process::Signal;

use crate::support::process::{Process, ServerProcess, command, event, stderr, unused_address};

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
