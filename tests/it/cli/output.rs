//! `sample-service call` and `health --watch` if no process reads their output.

use std::{
    fs::File,
    io::{PipeWriter, Read, Write, pipe},
    process::{Child, Stdio},
    sync::mpsc::channel,
    thread,
};

use rustix::{io::ioctl_fionbio, process::Signal};

use crate::support::process::{NEVER, ServerProcess, command, event, send_signal, stderr, stdout};

/// Fills a pipe, so that the next write to it blocks.
fn fill(pipe: &mut PipeWriter) {
    ioctl_fionbio(&pipe, true).expect("a pipe");
    while pipe.write(&[b'.'; 4096]).is_ok() {}
    ioctl_fionbio(&pipe, false).expect("a pipe");
}

/// Starts a client whose output is not read.
fn spawn(arguments: &[&str], output: PipeWriter) -> Child {
    let mut command = command(arguments);
    command.stdout(output).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

fn assert_ends_by_sigterm(mut client: Child, code: i32) {
    send_signal(&client, Signal::TERM);
    let id = rustix::process::Pid::from_child(&client);
    let (sender, ended) = channel();
    thread::spawn(move || sender.send(client.wait()));
    let Ok(status) = ended.recv_timeout(NEVER) else {
        rustix::process::kill_process(id, Signal::KILL).expect("it is still there");
        panic!("it did not end");
    };
    assert_eq!(status.expect("it ran").code(), Some(code));
}

/// The server handles both calls, and `call` blocks when it prints the first response.
#[test]
fn a_signal_ends_call_if_its_output_is_not_read() {
    let server = ServerProcess::start(&["--work", "100ms", "--max-workers", "1"]);
    let (_reader, mut writer) = pipe().expect("a pipe");
    fill(&mut writer);
    let arguments = ["call", "one", "two", "--timeout", "60s", "--address", &server.address];
    let client = spawn(&arguments, writer);
    for _ in 0..2 {
        server.wait_for_event("call");
    }
    assert_ends_by_sigterm(client, 143);
}

#[test]
fn a_signal_ends_a_watch_if_its_output_is_not_read() {
    let settings = [("SAMPLE__SHUTDOWN__LAME_DUCK", "200ms"), ("SAMPLE__SHUTDOWN__DRAIN", "200ms")];
    let server = ServerProcess::with(&settings, &[]);
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let arguments = ["health", "--watch", "--json", "--address", &server.address];
    let client = spawn(&arguments, writer.try_clone().expect("a descriptor"));
    let mut line = [0; 4096];
    let length = reader.read(&mut line).expect("the first line");
    let line = str::from_utf8(&line[..length]).expect("UTF-8");
    assert_eq!(event(line)["status"], "SERVING");

    fill(&mut writer);
    server.process.signal(Signal::TERM);
    server.process.wait();
    assert_ends_by_sigterm(client, 0);
}

#[test]
fn an_input_error_is_reported_after_the_responses_of_earlier_lines() {
    let server = ServerProcess::start(&["--work", "200ms"]);
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("input");
    std::fs::write(&file, b"one\ntwo\n\xff\nthree\n").expect("written");
    let call = |input: File| {
        let mut call = command(&["call", "-", "four", "--timeout", "60s"]);
        call.args(["--address", &server.address]).stdin(input).output().expect("it runs")
    };
    let output = call(File::open(file).expect("a file"));
    assert_eq!(
        stdout(&output),
        "request : one\nresponse : reply for one\nrequest : two\nresponse : reply for two\n"
    );
    assert_eq!(
        stderr(&output),
        "error: input or output failed: line 3 of standard input is not UTF-8\n"
    );
    assert_eq!(output.status.code(), Some(74));

    let output = call(File::open(folder.path()).expect("a folder"));
    assert_eq!(
        stderr(&output),
        "error: input or output failed: standard input cannot be read: \
         Is a directory (os error 21)\n"
    );
    assert_eq!(output.status.code(), Some(74));
}
