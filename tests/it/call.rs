//! `sample-service call`.

use std::process::Stdio;

use crate::support::process::{
    Process, ServerProcess, command, run, run_with_input, stderr, stdout, unused_address,
};

#[test]
fn prints_the_request_and_the_response() {
    let server = ServerProcess::start(&[]);
    let output = server.run(&["call", "test message"]);
    assert_eq!(stdout(&output), "request : test message\nresponse : reply for test message\n");
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn says_the_tutorials_message_when_it_is_given_none() {
    let server = ServerProcess::start(&[]);
    let output = server.run(&["call"]);
    assert_eq!(stdout(&output), "request : test message\nresponse : reply for test message\n");
}

#[test]
fn takes_a_message_a_line_from_standard_input() {
    let server = ServerProcess::start(&[]);
    let output = run_with_input(&["call", "-", "--address", &server.address], "one\n\ntwo\n");
    assert_eq!(
        stdout(&output),
        "request : one\nresponse : reply for one\n\
         request : \nresponse : reply for \n\
         request : two\nresponse : reply for two\n"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_server_that_is_not_there_is_exit_code_2() {
    let address = unused_address();
    let output = run(&["call", "hello", "--address", &address]);
    assert_eq!(
        stderr(&output),
        format!("error: cannot connect to {address}: Connection refused (os error 111)\n")
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn waits_for_a_server_that_is_not_there_yet() {
    let address = unused_address();
    let waiting = Process::spawn(&mut command(&[
        "call",
        "--wait-for-ready",
        "--timeout",
        "60s",
        "--address",
        &address,
    ]));
    let _server = ServerProcess::start(&["--address", &address]);
    let (status, lines) = waiting.wait();
    assert_eq!(lines, ["request : test message", "response : reply for test message"]);
    assert_eq!(status.code(), Some(0));
}

#[test]
fn waiting_for_a_server_ends_at_the_timeout() {
    let address = unused_address();
    let output = run(&["call", "--wait-for-ready", "--timeout", "200ms", "--address", &address]);
    assert_eq!(
        stderr(&output),
        format!("error: cannot connect to {address}: Connection refused (os error 111)\n")
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_deadline_is_exit_code_3() {
    let server = ServerProcess::start(&["--work", "1h"]);
    let output = server.run(&["call", "--timeout", "200ms"]);
    let error = stderr(&output);
    assert!(error.starts_with("error: DEADLINE_EXCEEDED: no answer within"), "{error}");
    assert_eq!(error.lines().count(), 1);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn wrong_arguments_are_exit_code_1() {
    for (arguments, problem) in [
        (["call", "--timeout", "0s"], "expected a duration above 0"),
        (["call", "--timeout", "5"], "expected a duration above 0"),
        (["call", "--address", "localhost"], "expected a host and a port"),
        (["call", "--address", "[::1"], "expected a host and a port"),
        (["health", "--nonsense", "x"], "unexpected argument '--nonsense'"),
    ] {
        let output = run(&arguments);
        let error = stderr(&output);
        assert!(error.contains(problem), "{arguments:?}: {error}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let server = ServerProcess::start(&[]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut call = command(&["call", "--address", &server.address]);
    let output = call.stdout(writer).stderr(Stdio::piped()).output().expect("the binary runs");
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn output_that_cannot_be_written_is_exit_code_74() {
    let server = ServerProcess::start(&[]);
    for name in ["call", "health"] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
        let mut client = command(&[name, "--address", &server.address]);
        let output = client.stdout(full).stderr(Stdio::piped()).output().expect("it runs");
        assert!(stderr(&output).contains("No space left on device"), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(74));
    }
}
