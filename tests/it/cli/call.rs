//! `sample-service call`.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener},
    process::Stdio,
    thread,
};

use rustix::process::Signal;

use crate::support::{
    process::{
        Process, ServerProcess, command, event, run, run_with_input, stderr, stdout, unused_address,
    },
    scripted::Scripted,
};

#[test]
fn call_prints_the_request_and_the_response() {
    let server = ServerProcess::start(&[]);
    let output = server.run(&["call", "test message"]);
    assert_eq!(stdout(&output), "request : test message\nresponse : reply for test message\n");
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn call_without_a_message_sends_the_tutorials_message() {
    let server = ServerProcess::start(&[]);
    let output = server.run(&["call"]);
    assert_eq!(stdout(&output), "request : test message\nresponse : reply for test message\n");
}

#[test]
fn a_dash_reads_one_message_per_line_from_standard_input() {
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
fn a_refused_connection_is_exit_code_2() {
    let address = unused_address();
    let output = run(&["call", "hello", "--address", &address]);
    assert_eq!(
        stderr(&output),
        format!("error: cannot connect to {address}: Connection refused (os error 111)\n")
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn wait_for_ready_waits_until_the_server_listens() {
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
fn wait_for_ready_fails_at_the_timeout() {
    let address = unused_address();
    let output = run(&["call", "--wait-for-ready", "--timeout", "200ms", "--address", &address]);
    assert_eq!(
        stderr(&output),
        format!("error: cannot connect to {address}: Connection refused (os error 111)\n")
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_exceeded_deadline_is_exit_code_3() {
    let server = ServerProcess::start(&["--work", "1h"]);
    let output = server.run(&["call", "--timeout", "200ms"]);
    let error = stderr(&output);
    // Either the server or the client reports the exceeded deadline first.
    assert!(error.starts_with("error: DEADLINE_EXCEEDED: "), "{error}");
    assert_eq!(error.lines().count(), 1);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn wrong_arguments_are_exit_code_1() {
    for (arguments, problem) in [
        (["call", "--timeout", "0s"], "expected a duration above 0"),
        (["call", "--timeout", "5"], "expected a duration above 0"),
        (["call", "--address", "localhost"], "\"localhost\" has no port"),
        (["call", "--address", "[::1"], "\"[::1\" has a bracket that is not closed"),
        (["health", "--nonsense", "x"], "unexpected argument '--nonsense'"),
    ] {
        let output = run(&arguments);
        let error = stderr(&output);
        assert!(error.contains(problem), "{arguments:?}: {error}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn a_closed_output_pipe_ends_call_without_an_error() {
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

#[test]
fn responses_are_printed_in_the_order_of_the_messages() {
    let server = ServerProcess::start(&["--work", "20ms"]);
    let messages: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    let arguments: Vec<_> = messages.iter().map(String::as_str).collect();
    let expected: String = messages
        .iter()
        .map(|message| format!("request : {message}\nresponse : reply for {message}\n"))
        .collect();
    let output = server.run(&[&["call", "--timeout", "60s"], &arguments[..]].concat());
    assert_eq!(stdout(&output), expected, "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0));
}

/// The server has room for sixteen calls: with one more in flight, a call would be refused.
#[test]
fn no_more_than_sixteen_calls_are_in_flight_at_once() {
    let settings = [("SAMPLE__QUEUE__LENGTH", "0")];
    let server = ServerProcess::with(&settings, &["--work", "100ms", "--max-workers", "16"]);
    let address = ["--address", &server.address];
    let arguments = [&["call", "-", "--attempts", "1"][..], &address].concat();
    let output = run_with_input(&arguments, &"hello\n".repeat(48));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().count(), 96);

    // Nor are fewer in flight: a server with fifteen workers refuses one of sixteen calls.
    let server = ServerProcess::with(&settings, &["--work", "1s", "--max-workers", "15"]);
    let address = ["--address", &server.address];
    let arguments = [&["call", "-", "--attempts", "1"][..], &address].concat();
    let output = run_with_input(&arguments, &"hello\n".repeat(16));
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}

#[test]
fn a_failed_call_is_reported_in_order_and_the_others_are_made() {
    let settings = [("SAMPLE__LIMITS__MESSAGE", "100B")];
    let server = ServerProcess::with(&settings, &[]);
    let long = "x".repeat(200);
    let output = server.run(&["call", "one", &long, "two"]);
    assert_eq!(
        stdout(&output),
        format!(
            "request : one\nresponse : reply for one\nrequest : {long}\n\
             request : two\nresponse : reply for two\n"
        )
    );
    assert!(stderr(&output).starts_with("error: RESOURCE_EXHAUSTED: "), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(3));

    let output = server.run(&["call", "one", &long, "--json"]);
    let lines: Vec<_> = stdout(&output).lines().map(event).collect();
    let [one, failed] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!([&one["request"], &one["response"]], ["one", "reply for one"]);
    assert_eq!(one["attempts"], 1);
    assert!(one["duration_ms"].as_f64() > Some(0.0));
    assert_eq!(failed["error"]["code"], "RESOURCE_EXHAUSTED");
    assert!(failed["error"]["message"].is_string() && failed.get("response").is_none());
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_response_is_printed_while_standard_input_is_open() {
    let server = ServerProcess::start(&[]);
    let mut call = command(&["call", "-", "--address", &server.address]);
    let mut call = Process::spawn(call.stdin(Stdio::piped()));
    for message in ["one", "two"] {
        call.say(message);
        let expected = format!("response : reply for {message}");
        call.wait_for(|line| (line == expected).then_some(()));
    }
    // Ctrl-C ends `call` although it waits for input.
    call.signal(Signal::INT);
    let (status, lines) = call.wait();
    assert_eq!(lines, [""; 0]);
    assert_eq!(status.code(), Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_sent_and_reserved_names_are_refused() {
    let server = Scripted::start(&[]).await;
    let metadata = ["--metadata", "x-Tenant=blue = 1", "--metadata", "x-bin=AAEC,AQ=="];
    let arguments = [&["call", "hello", "--address", &server.address][..], &metadata].concat();
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let seen = server.seen();
    assert_eq!(seen[0].headers["x-tenant"], "blue = 1");
    assert_eq!(seen[0].headers["x-bin"], "AAEC,AQ==");

    for (wrong, problem) in [
        ("grpc-timeout=1S", "grpc-timeout is reserved by gRPC"),
        ("Content-Type=x", "content-type is reserved by gRPC"),
        ("Connection=close", "connection is not allowed in HTTP/2"),
        ("content-length=5", "content-length cannot be set"),
        ("x!bang=1", "it has '!', and gRPC allows only letters"),
        ("x= blue", "the value of x begins or ends with a blank"),
        ("x-bin=AAEC,%", "the value of x-bin is not base64"),
        ("x", "expected a key, = and a value"),
        ("a b=c", "\"a b\" is not a key of metadata"),
        ("x-bin=%", "the value of x-bin is not base64"),
        ("x=é", "the value of x is not printable ASCII"),
    ] {
        let output = run(&["call", "--metadata", wrong]);
        assert!(stderr(&output).contains(problem), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_server_with_another_protocol_is_named_in_the_error() {
    for (says, problem) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "the server speaks HTTP/1, not HTTP/2"),
        (&[0x15, 3, 3, 0, 2, 2, 10], "the server speaks TLS: pass --tls"),
        (b"", "the server closed the connection"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let server = thread::spawn(move || {
            let (mut tcp, _) = listener.accept().expect("a client");
            tcp.read_exact(&mut [0; 24]).expect("the preface");
            tcp.write_all(says).expect("the client reads");
            tcp.shutdown(Shutdown::Write).expect("the client is connected");
            // If bytes were unread, closing would reset the connection.
            let _ = io::copy(&mut tcp, &mut io::sink());
        });
        let output = run(&["call", "--timeout", "30s", "--address", &address]);
        assert!(stderr(&output).contains(problem), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(2));
        server.join().expect("no panic");
    }
}
