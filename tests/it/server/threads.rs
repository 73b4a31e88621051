//! The server and the commands, if the system allows only a few threads.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Signal, getuid};
use tempfile::TempDir;

use crate::support::process::{Process, event, send_signal, stderr};

/// A user that has no other process. Root is not limited.
const USER: &str = "54321";

/// Returns a command of a program that may have this number of threads.
fn limited(program: &Path, threads: usize, arguments: &[&str]) -> Command {
    let mut command = Command::new("prlimit");
    command.arg(format!("--nproc={threads}"));
    command.args(["setpriv", "--reuid", USER, "--clear-groups"]).arg(program).args(arguments);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Returns a copy of the binary that every user can run.
fn binary(folder: &TempDir) -> std::path::PathBuf {
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("this user owns it");
    let binary = folder.path().join("sample-service");
    fs::copy(env!("CARGO_BIN_EXE_sample-service"), &binary).expect("a copy");
    fs::set_permissions(&binary, Permissions::from_mode(0o755)).expect("this user owns it");
    binary
}

/// With any number of threads, the server either serves and can be stopped, or says for what it
/// can start no thread.
#[test]
fn too_few_threads_are_an_error_of_one_line_and_exit_code_71() {
    if !getuid().is_root() {
        eprintln!("not tested: only root can become a user without processes");
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let binary = binary(&folder);
    let serve = ["serve", "--address", "127.0.0.1:0", "--log-format", "json"];
    let mut refused = 0;
    for threads in 1.. {
        let mut command = limited(&binary, threads, &serve);
        command.env("SAMPLE__SHUTDOWN__LAME_DUCK", "0s");
        command.env("SAMPLE__TRACING__ENDPOINT", "http://127.0.0.1:9");
        let mut process = Process::spawn(command.stderr(Stdio::piped()));
        if process.starts(|line| event(line)["message"] == "listening") {
            process.signal(Signal::TERM);
            assert_eq!(process.wait().0.code(), Some(0), "{threads} threads");
            break;
        }
        let error = process.stderr();
        assert_eq!(process.wait().0.code(), Some(71), "{threads} threads: {error}");
        assert!(error.starts_with("error: no thread can be started to "), "{threads}: {error}");
        assert_eq!(error.lines().count(), 1, "{threads} threads: {error}");
        refused += 1;
    }
    // The server needs at least two more threads than the main thread.
    assert!((2..20).contains(&refused), "{refused}");
}

#[test]
fn a_command_that_can_start_no_thread_is_exit_code_71() {
    if !getuid().is_root() {
        eprintln!("not tested: only root can become a user without processes");
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let binary = binary(&folder);
    for command in ["call", "health", "load"] {
        let output = limited(&binary, 1, &[command, "--address", "127.0.0.1:9"]).output();
        let output = output.expect("it runs");
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(71), "{command}: {error}");
        assert_eq!(error.lines().count(), 1, "{command}: {error}");
    }
    // A command must handle SIGTERM with two threads too: process 1 of a container ignores signals
    // that it does not handle.
    let mut health = limited(&binary, 2, &["health", "--timeout", "60s", "--watch"]);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("it is bound").to_string();
    let mut client = health.args(["--address", &address]).spawn().expect("it runs");
    let _connection = silent.accept().expect("it connects");
    send_signal(&client, Signal::TERM);
    assert_eq!(client.wait().expect("it ran").code(), Some(0));
}
