//! The log of the server.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, pipe},
    process::Stdio,
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use rustix::{
    io::ioctl_fionbio,
    process::{Pid, Resource, Rlimit, Signal, prlimit},
};

use crate::support::{
    process::{Process, ServerProcess, command, event, run, send_signal, stderr, unused_address},
    wire::{Caller, message, text},
};

#[test]
fn each_call_has_one_line_with_its_status() {
    let server = ServerProcess::start(&[]);
    server.run(&["call", "private"]);
    server.run(&["health"]);
    server.process.signal(Signal::TERM);
    let (_, lines) = server.process.wait();

    let calls: Vec<_> = lines.iter().map(|l| event(l)).filter(|e| e["message"] == "call").collect();
    let [call] = calls.as_slice() else { panic!("not one call: {lines:#?}") };
    assert_eq!(call["method"], "/SampleService/Call");
    assert_eq!(call["code"], "OK");
    assert_eq!(call["level"], "INFO");
    assert!(call["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")));
    assert!(call["ms"].is_f64());
    assert!(!lines.iter().any(|line| line.contains("private")), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_reset_by_its_caller_is_logged_as_cancelled() {
    let server = ServerProcess::start(&["--work", "1h", "--log-level", "debug"]);
    let (_response, mut stream) = Caller::connect(&server.address).await.begin(&[]).await;
    stream.send_data(message(false, &text("hello")), true).expect("sent");
    server.wait_for_event("request : hello");
    stream.send_reset(h2::Reason::CANCEL);
    assert_eq!(server.wait_for_event("call")["code"], "CANCELLED");
}

#[test]
fn an_unknown_method_is_logged_as_unimplemented() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = ServerProcess::start(&[]);
    runtime.block_on(async {
        let channel = crate::support::in_process::connect(&server.address).await;
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.expect("connected");
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        let path = "/SampleService/Nonsense".parse().expect("a path");
        let status = grpc.unary(tonic::Request::new(()), path, codec).await.expect_err("unknown");
        assert_eq!(status.code(), tonic::Code::Unimplemented);
    });
    assert_eq!(server.wait_for_event("call")["code"], "UNIMPLEMENTED");
}

#[test]
fn level_debug_logs_the_request_on_one_line() {
    let server = ServerProcess::start(&["--log-level", "debug"]);
    server.run(&["call", "two\nlines"]);
    server.wait_for_event("request : two\\nlines");
}

#[test]
fn rust_log_wins_over_the_configured_level() {
    let mut quiet = command(&["serve", "--log-format", "json", "--log-level", "off"]);
    let server = ServerProcess::start_command(quiet.env("RUST_LOG", "info"), &[]);
    server.run(&["call"]);
    assert_eq!(server.wait_for_event("call")["code"], "OK");

    for arguments in [&["serve"][..], &["config", "check"]] {
        let refused = command(arguments).env("RUST_LOG", "info,h2=loud").output().expect("it runs");
        let refusal = stderr(&refused);
        assert!(
            refusal.starts_with("error: RUST_LOG=\"info,h2=loud\" does not parse: \"loud\""),
            "{refusal}"
        );
        assert_eq!(refused.status.code(), Some(78));
    }
}

#[test]
fn a_word_of_rust_log_that_selects_nothing_is_a_configuration_error() {
    for text in ["warning", "inf", "info,nonsense=debug", "sample_servic=debug"] {
        let refused =
            command(&["config", "check"]).env("RUST_LOG", text).output().expect("it runs");
        let refusal = stderr(&refused);
        assert_eq!(refused.status.code(), Some(78), "{text}: {refusal}");
        for possible in ["sample_service", "h2"] {
            assert!(refusal.contains(possible), "{text}: {refusal}");
        }
    }
    for text in ["info ", " INFO", "sample-service=debug", " info , h2=debug", "", " , ", "h2=off"]
    {
        let checked =
            command(&["config", "check"]).env("RUST_LOG", text).output().expect("it runs");
        assert_eq!(checked.status.code(), Some(0), "{text:?}: {}", stderr(&checked));
    }
}

#[test]
fn log_level_applies_if_rust_log_does_not_name_the_program() {
    for text in ["h2=debug", " , ", "sample-service=debug"] {
        let mut serve = command(&["serve", "--log-format", "json"]);
        let server = ServerProcess::start_command(serve.env("RUST_LOG", text), &[]);
        server.run(&["call"]);
        assert_eq!(server.wait_for_event("call")["code"], "OK", "{text:?}");
    }
}

#[test]
fn text_has_no_color_without_a_terminal() {
    let server = Process::spawn(&mut command(&["serve", "--address", "127.0.0.1:0"]));
    let line = server.wait_for(|line| line.contains("listening").then(|| line.to_owned()));
    assert!(!line.contains('\x1b'), "{line:?}");
}

#[test]
fn the_start_logs_limits_version_and_address() {
    let mut serve = command(&["serve", "--log-format", "json", "--address", "127.0.0.1:0"]);
    let server = Process::spawn(serve.args(["--max-workers", "7", "--work", "3ms"]));
    let limits = server.wait_for(|line| Some(event(line)));
    assert_eq!(limits["message"], "limits");
    assert_eq!(limits["max_workers"], 7);
    let threads = std::thread::available_parallelism().expect("some").get();
    assert_eq!(limits["threads"], threads);
    for limit in
        ["queue", "streams", "streams_in_process", "connections", "message_bytes", "header_bytes"]
    {
        assert!(limits[limit].as_u64() > Some(0), "{limit}: {limits}");
    }
    for limit in ["deadline", "max_deadline", "queue_timeout", "handshake", "lame_duck", "drain"] {
        assert!(
            limits[limit].as_str().is_some_and(|text| text.ends_with('s')),
            "{limit}: {limits}"
        );
    }
    let start = server.wait_for(|line| Some(event(line)));
    assert_eq!(start["message"], "listening");
    assert_eq!(start["version"], env!("CARGO_PKG_VERSION"));
    assert!(start["address"].as_str().is_some_and(|address| !address.ends_with(":0")));
    assert_eq!(start["reflection"], true);
}

#[test]
fn the_version_flag_prints_the_version_of_the_package() {
    let output = run(&["--version"]);
    let version = concat!("sample-service ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), version);
}

#[test]
fn a_closed_log_pipe_affects_neither_calls_nor_the_shutdown() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let address = unused_address();
    let mut serve = command(&["serve", "--address", &address]);
    serve.env("SAMPLE__SHUTDOWN__LAME_DUCK", "0s").stderr(writer.try_clone().expect("a pipe"));
    let mut server = serve.stdout(writer).spawn().expect("the binary runs");
    let call = run(&["call", "--wait-for-ready", "--timeout", "60s", "--address", &address]);
    assert_eq!(call.status.code(), Some(0));
    send_signal(&server, Signal::TERM);
    assert_eq!(server.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_stalled_log_reader_does_not_delay_the_shutdown() {
    let (_never_read, writer) = std::io::pipe().expect("a pipe");
    let address = unused_address();
    let mut serve = command(&["serve", "--address", &address]);
    serve.env("RUST_LOG", "trace").env("SAMPLE__SHUTDOWN__LAME_DUCK", "0s");
    // The notice of lost lines goes to the same pipe.
    serve.env("SAMPLE__SHUTDOWN__FLUSH", "100ms").stderr(writer.try_clone().expect("a pipe"));
    let mut server = serve.stdout(writer).spawn().expect("the binary runs");
    // Each call logs several kilobytes at level trace, and the pipe holds 64.
    for _ in 0..50 {
        let call = run(&["call", "--wait-for-ready", "--timeout", "60s", "--address", &address]);
        assert_eq!(call.status.code(), Some(0));
    }
    send_signal(&server, Signal::TERM);
    assert_eq!(server.wait().expect("it ends").code(), Some(0));
}

/// Returns how many lines a notice on standard error says are lost.
fn lost(notice: &str) -> usize {
    notice.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// A parent in Python's asyncio passes its own end of a pipe, which is non-blocking.
#[test]
fn a_non_blocking_pipe_gets_whole_lines_and_the_losses_are_counted() {
    const CALLS: usize = 20_000;
    let (reader, writer) = pipe().expect("a pipe");
    ioctl_fionbio(&writer, true).expect("a pipe");
    let address = unused_address();
    let mut serve = command(&["serve", "--log-format", "json", "--address", &address]);
    serve.args(["--max-workers", "1000"]).env("SAMPLE__SHUTDOWN__LAME_DUCK", "0s");
    serve.env("SAMPLE__SHUTDOWN__FLUSH", "300ms").stdout(writer).stderr(Stdio::piped());
    let server = serve.spawn().expect("the binary runs");
    drop(serve);
    let (read, held) = channel::<()>();
    let lines = thread::spawn(move || {
        // Nothing is read during the calls, so that the pipe has no room.
        let _ = held.recv();
        let mut reader = BufReader::with_capacity(1000, reader);
        let (mut lines, mut line) = (0, String::new());
        while reader.read_line(&mut line).expect("UTF-8") > 0 {
            event(&line);
            assert!(line.ends_with('\n'), "{line}");
            line.clear();
            lines += 1;
            if lines % 100 == 0 {
                // Slower than the server writes.
                thread::sleep(Duration::from_millis(10));
            }
        }
        lines
    });
    let calls = CALLS.to_string();
    let load = ["load", "--calls", &calls, "--concurrency", "100", "--address", &address];
    let output = run(&[&load[..], &["--wait-for-ready"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    drop(read);
    send_signal(&server, Signal::TERM);
    let output = server.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    let written: usize = lines.join().expect("every line is whole");
    let lost = lost(&stderr(&output));
    // There are five lines of start and shutdown too.
    assert_eq!(written + lost, CALLS + 5, "{written} written, {lost} lost");
}

#[test]
fn a_full_disk_loses_counted_lines_and_leaves_no_half_line() {
    let full = File::options().write(true).open("/dev/full").expect("a device");
    let address = unused_address();
    let mut serve = command(&["serve", "--address", &address]);
    serve.env("SAMPLE__SHUTDOWN__LAME_DUCK", "0s").stdout(full).stderr(Stdio::piped());
    let server = serve.spawn().expect("the binary runs");
    let call = ["call", "--wait-for-ready", "--timeout", "60s", "--address", &address];
    assert_eq!(run(&call).status.code(), Some(0));
    send_signal(&server, Signal::TERM);
    let output = server.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), lost(&stderr(&output))), (Some(0), 6));

    // A limit of the size of files, at which a write is short, and later ones fail.
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("log");
    let file = File::create(&path).expect("a file");
    let mut shell = std::process::Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_sample-service");
    // Without a handler the signal of this limit would end the process.
    shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", binary, "serve", "--log-format", "json"]);
    shell.args(["--address", &address]).env_remove("RUST_LOG");
    shell.env("SAMPLE__SHUTDOWN__LAME_DUCK", "0s").stdout(file).stderr(Stdio::piped());
    let server = shell.spawn().expect("the binary runs");
    assert_eq!(run(&call).status.code(), Some(0));
    let limit = |bytes| {
        let process = Some(Pid::from_child(&server));
        prlimit(process, Resource::Fsize, Rlimit { current: bytes, maximum: None })
            .expect("a limit");
    };
    let read = || fs::read_to_string(&path).expect("UTF-8");
    wait_until(|| read().contains("\"call\""));
    let whole = read().lines().count();
    let size = read().len() as u64;
    limit(Some(size + 100));
    for _ in 0..20 {
        assert_eq!(run(&call).status.code(), Some(0));
    }
    wait_until(|| read().len() as u64 == size + 100);
    limit(None);
    assert_eq!(run(&call).status.code(), Some(0));
    wait_until(|| read().lines().count() > whole + 1);
    send_signal(&server, Signal::TERM);
    let output = server.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    let written = read().lines().map(event).count();
    assert!(read().ends_with('\n'));
    // Two lines of the start, three of the shutdown.
    assert_eq!(written + lost(&stderr(&output)), 22 + 5, "{}", read());
}

fn wait_until(is: impl Fn() -> bool) {
    let end = std::time::Instant::now() + crate::support::process::NEVER;
    while !is() {
        assert!(std::time::Instant::now() < end, "it never came");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn commands_wait_for_room_in_a_non_blocking_pipe() {
    let server = ServerProcess::start(&[]);
    // More than a pipe holds.
    let long = "x".repeat(100_000);
    for arguments in [&["config", "default"][..], &["call", &long, "--address", &server.address]] {
        let (mut reader, mut writer) = pipe().expect("a pipe");
        ioctl_fionbio(&writer, true).expect("a pipe");
        let mut filled = 0;
        while let Ok(written) = std::io::Write::write(&mut writer, &[b'.'; 4096]) {
            filled += written;
        }
        let mut client = command(arguments).stdout(writer).spawn().expect("the binary runs");
        let mut output = String::new();
        reader.read_to_string(&mut output).expect("UTF-8");
        assert_eq!(client.wait().expect("it ran").code(), Some(0), "{arguments:?}");
        assert!(output[filled..].ends_with('\n'), "{arguments:?}");
    }
}
