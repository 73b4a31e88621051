//! The server on a Unix socket: the mode of the socket's file, and when the file is removed.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixDatagram, UnixListener},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{
    certificates::Authority,
    process::{Process, ServerProcess, command, run, stderr, stdout},
};

const REPLY: &str = "request : hello\nresponse : reply for hello\n";

/// A folder with the path of a socket.
struct Place {
    folder: TempDir,
    path: PathBuf,
    address: String,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("server.sock");
        let address = format!("unix:{}", path.display());
        Self { folder, path, address }
    }

    fn serve(&self) -> ServerProcess {
        ServerProcess::start(&["--address", &self.address])
    }

    /// Asserts that a server cannot start here because of this problem.
    fn assert_refused(&self, problem: &str) {
        let mut serve = command(&["serve", "--address", &self.address]);
        let mut server = Process::spawn(serve.stderr(Stdio::piped()));
        assert!(!server.starts(|line| line.contains("listening")), "it serves");
        let refusal = server.stderr();
        let start = format!("error: cannot listen on {} (server.address): ", self.address);
        assert!(refusal.starts_with(&start) && refusal.contains(problem), "{refusal}");
        assert_eq!(server.wait().0.code(), Some(71));
    }
}

fn mode(path: &Path) -> u32 {
    let metadata = fs::symlink_metadata(path).expect("the file exists");
    assert!(metadata.file_type().is_socket());
    metadata.permissions().mode() & 0o777
}

fn stop(server: ServerProcess) {
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.wait().0.code(), Some(0));
}

fn assert_serves(address: &str) {
    let output = run(&["call", "hello", "--timeout", "60s", "--address", address]);
    assert_eq!(stdout(&output), REPLY, "{}", stderr(&output));
}

// Not with the h2 crate, which refuses the authority that grpcio sends: the encoded path.
#[cfg(not(feature = "http2-h2"))]
#[test]
fn a_python_client_calls_the_server_on_a_unix_socket() {
    let Some(mut client) = crate::support::python::script("client.py") else { return };
    let place = Place::new();
    let _server = place.serve();
    let output = client.arg(&place.address).output().expect("python runs");
    assert_eq!(stdout(&output), "all replies are right\n", "{}", stderr(&output));
}

#[test]
fn the_log_shows_the_socket_and_the_user_of_a_call() {
    let place = Place::new();
    let server = ServerProcess::start(&["--address", &format!("unix://{}", place.path.display())]);
    assert_eq!(server.address, place.address);
    assert_serves(&place.address);
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(server.wait_for_event("call")["peer"], format!("unix:uid={uid}"));
}

#[test]
fn the_socket_has_the_configured_mode_whatever_the_umask_is() {
    let place = Place::new();
    for (setting, expected) in [(None, 0o660), (Some("0606"), 0o606), (Some("0600"), 0o600)] {
        for mask in ["000", "077"] {
            let script = format!("umask {mask} && exec \"$0\" serve --log-format json \"$@\"");
            let mut serve = Command::new("sh");
            serve.args(["-c", &script, env!("CARGO_BIN_EXE_sample-service")]);
            serve.envs(setting.map(|mode| ("SAMPLE__SERVER__SOCKET_MODE", mode)));
            let server = ServerProcess::start_command(&mut serve, &["--address", &place.address]);
            assert_eq!(mode(&place.path), expected, "umask {mask}");
            stop(server);
        }
    }
}

#[test]
fn the_socket_is_removed_when_the_server_ends() {
    let place = Place::new();
    let server = place.serve();
    assert!(place.path.exists());
    stop(server);
    assert!(!place.path.exists());
}

#[test]
fn a_socket_that_another_server_has_put_in_its_place_is_not_removed() {
    let place = Place::new();
    let server = place.serve();
    fs::remove_file(&place.path).expect("the file exists");
    let _other = UnixListener::bind(&place.path).expect("it is free");
    stop(server);
    assert!(place.path.exists());
}

#[test]
fn the_socket_that_a_killed_server_has_left_behind_is_replaced() {
    let place = Place::new();
    drop(place.serve());
    assert!(place.path.exists(), "the process was killed");
    let _server = place.serve();
    assert_serves(&place.address);
}

#[test]
fn a_socket_on_which_a_server_listens_is_in_use() {
    let place = Place::new();
    let _server = place.serve();
    place.assert_refused("Address already in use");
    assert_serves(&place.address);
}

#[test]
fn a_file_that_is_not_the_socket_of_a_server_is_never_removed() {
    let place = Place::new();
    fs::write(&place.path, "precious").expect("the folder is writable");
    place.assert_refused("there is a file that is not a socket");
    assert_eq!(fs::read_to_string(&place.path).expect("the file exists"), "precious");

    fs::remove_file(&place.path).expect("the file exists");
    std::os::unix::fs::symlink("nowhere", &place.path).expect("a link");
    place.assert_refused("there is a file that is not a socket");
    assert!(place.path.is_symlink());

    fs::remove_file(&place.path).expect("the file exists");
    let _datagrams = UnixDatagram::bind(&place.path).expect("it is free");
    place.assert_refused("wrong type");
    assert!(place.path.exists());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let mut place = Place::new();
    place.path = place.folder.path().join("missing/server.sock");
    place.address = format!("unix:{}", place.path.display());
    place.assert_refused("make its folder");
}

#[test]
fn a_path_that_no_socket_can_have_is_a_configuration_error() {
    for address in [&format!("unix:/{}", "a".repeat(200)), "unix:", "unix://host/path"] {
        let output = run(&["serve", "--address", address]);
        let refusal = stderr(&output);
        assert!(refusal.contains("server.address: expected an IP address"), "{refusal}");
        assert!(refusal.contains("at most 107 bytes"), "{refusal}");
        assert_eq!(output.status.code(), Some(78));
    }
}

#[test]
fn health_without_an_address_checks_the_server_on_its_unix_socket() {
    let place = Place::new();
    let server = place.serve();
    let health = || {
        let health = command(&["health"]).env("SAMPLE__SERVER__ADDRESS", &place.address).output();
        health.expect("the binary runs")
    };
    assert_eq!(stdout(&health()), "SERVING\n");
    stop(server);
    let output = health();
    assert!(stderr(&output).contains(&place.address), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_unix_socket_serves_tls() {
    let place = Place::new();
    let authority = Authority::new("authority");
    let ca = authority.write(place.folder.path(), "ca.crt");
    let (certificate, key) = authority.server().issue().write(place.folder.path());
    let tls = [("SAMPLE__TLS__CERTIFICATE", &*certificate), ("SAMPLE__TLS__KEY", &key)];
    let _server = ServerProcess::with(&tls, &["--address", &place.address]);
    let output = run(&["call", "hello", "--ca", &ca, "--address", &place.address]);
    assert_eq!(stdout(&output), REPLY, "{}", stderr(&output));
    let mut health = command(&["health"]);
    let health = health.env("SAMPLE__SERVER__ADDRESS", &place.address).envs(tls).output();
    assert_eq!(stdout(&health.expect("the binary runs")), "SERVING\n");
}
