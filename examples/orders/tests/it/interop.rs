//! grpcio as the peer.

use crate::support::{InProcess, TOKEN, greeter, process::Process, python};

// The h2 crate has a budget for small DATA frames. It ends a connection (too_many_data_frames) that
// sends each of 301 small messages in its own frame, as grpcio does on a busy machine.
#[cfg_attr(feature = "http2-h2", ignore = "the h2 crate ends the connection")]
#[tokio::test(flavor = "multi_thread")]
async fn grpcio_calls_methods_of_all_four_kinds() {
    let (greeter, _calls) = greeter::start();
    let server = InProcess::start(&[("service.greeter.address", &greeter.address)]);
    run("calls.py", &server.address);
    let (report, _) = server.stop().await;
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_grpcio_cancels_leave_nothing_behind() {
    let server = InProcess::start(&[("streaming.limit", "4"), ("shutdown.drain", "10s")]);
    run("cancel.py", &server.address);
    let (report, _) = server.stop().await;
    assert_eq!((report.in_flight, report.is_clean()), (0, true), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcio_learns_that_the_server_shuts_down() {
    let server = Process::start(&[]);
    let Some(mut script) = python::script("drain.py") else { return };
    script.args([&server.address, TOKEN]).stdout(std::process::Stdio::piped());
    let mut script = script.spawn().expect("Python runs");
    let mut stdout = std::io::BufReader::new(script.stdout.take().expect("piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).expect("it says that streams are open");
    assert_eq!(line, "open\n");
    let (report, status) = server.terminate();
    assert!(script.wait().expect("it ends").success());
    assert_eq!((status.code(), &report["clean"]), (Some(0), &true.into()), "{report}");
}

/// Runs a script with the address and the token as its arguments.
fn run(script: &str, address: &str) {
    let Some(mut command) = python::script(script) else { return };
    let output = command.args([address, TOKEN]).output().expect("Python runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{stderr}", String::from_utf8_lossy(&output.stdout));
}
