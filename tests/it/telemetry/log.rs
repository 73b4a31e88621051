//! The log of the server.

use rustix::process::Signal;

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
            refusal.starts_with("error: RUST_LOG=\"info,h2=loud\" does not parse"),
            "{refusal}"
        );
        assert_eq!(refused.status.code(), Some(78));
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
