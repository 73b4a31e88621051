//! Round robin over all addresses of a name, while servers come and go.

use std::{
    env, mem,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use channel::{Channel, MAX_ATTEMPTS, Target, Tls, TlsFiles};
use rustix::process::Signal;
use sample_service::proto::sample_service_client::SampleServiceClient;
use tempfile::TempDir;
use tokio::task::{JoinSet, spawn_blocking};

use crate::support::{
    certificates::{Authority, write},
    in_process::request,
    process::{
        Process, ServerProcess, command, event, run_with_input, stderr, stdout, unused_address,
    },
    skipped::not_tested,
};

const NAME: &str = "servers.test";

/// Returns the binary in a mount namespace in which `hosts` is /etc/hosts, or `None` if this
/// machine does not allow one. In CI that is a failure.
fn command_with_hosts(hosts: &str, arguments: &[&str]) -> Option<Command> {
    let mount = format!("mount --bind '{hosts}' /etc/hosts");
    let allowed = Command::new("unshare").args(["-m", "sh", "-c", &mount]).output();
    let problem = match &allowed {
        Ok(output) if output.status.success() => {
            let binary = command(arguments);
            let mut command = Command::new("unshare");
            command.args(["-m", "sh", "-c", &format!("{mount} && exec \"$@\""), "sh"]);
            command.arg(binary.get_program()).args(binary.get_args()).env_remove("RUST_LOG");
            return Some(command);
        }
        Ok(output) => stderr(output),
        Err(error) => error.to_string(),
    };
    not_tested("with a name of several addresses", &problem);
    None
}

fn hosts(folder: &Path, addresses: &[&str]) -> String {
    let lines: String = addresses.iter().map(|address| format!("{address} {NAME}\n")).collect();
    write(folder, "hosts", &lines)
}

fn port(server: &ServerProcess) -> &str {
    server.address.rsplit_once(':').expect("an address").1
}

/// Stops a server and returns how many calls it has logged.
fn calls(server: ServerProcess) -> usize {
    server.process.signal(Signal::TERM);
    let (_, lines) = server.process.wait();
    lines.iter().filter(|line| event(line)["message"] == "call").count()
}

#[test]
fn each_address_of_a_name_gets_an_equal_share_of_the_calls() {
    const CALLS: usize = 3000;
    let folder = TempDir::new().expect("a folder");
    let addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    let first = ServerProcess::start(&[]);
    let port = port(&first).to_owned();
    let address = format!("{NAME}:{port}");
    let hosts = hosts(folder.path(), &addresses);
    let arguments = ["call", "-", "--timeout", "60s", "--address", &address];
    let Some(mut client) = command_with_hosts(&hosts, &arguments) else { return };
    let other = |ip: &&str| ServerProcess::start(&["--address", &format!("{ip}:{port}")]);
    let servers: Vec<_> = addresses[1..].iter().map(other).chain([first]).collect();

    let input = write(folder.path(), "input", &"hello\n".repeat(CALLS));
    let input = std::fs::File::open(input).expect("it was written");
    let output = client.stdin(input).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().count(), 2 * CALLS);
    let shares: Vec<usize> = servers.into_iter().map(calls).collect();
    assert_eq!(shares.iter().sum::<usize>(), CALLS, "{shares:?}");
    for share in &shares {
        assert!(share.abs_diff(CALLS / 3) <= CALLS / 30, "{shares:?}");
    }
}

#[test]
fn a_lost_connection_resolves_the_name_again() {
    let folder = TempDir::new().expect("a folder");
    let old = ServerProcess::start(&[]);
    let port = port(&old).to_owned();
    let new = ServerProcess::start(&["--address", &format!("127.0.0.2:{port}")]);
    let file = hosts(folder.path(), &["127.0.0.1"]);
    let address = format!("{NAME}:{port}");
    let arguments = ["call", "-", "--wait-for-ready", "--timeout", "20s", "--address", &address];
    let Some(mut client) = command_with_hosts(&file, &arguments) else { return };
    let mut client = Process::spawn(client.stdin(Stdio::piped()));
    client.say("before");
    client.wait_for(|line| (line == "response : reply for before").then_some(()));

    hosts(folder.path(), &["127.0.0.2"]);
    old.process.signal(Signal::TERM);
    old.process.wait();
    client.say("after");
    client.wait_for(|line| (line == "response : reply for after").then_some(()));
    client.close_stdin();
    assert_eq!(client.wait().0.code(), Some(0));
    assert_eq!(calls(new), 1);
}

#[test]
fn addresses_that_refuse_connections_are_skipped() {
    let server = ServerProcess::start(&[]);
    let list = format!("{},{},{}", unused_address(), server.address, unused_address());
    let arguments = ["call", "-", "--json", "--timeout", "60s", "--address", &list];
    let output = run_with_input(&arguments, &"hello\n".repeat(100));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines = stdout(&output);
    assert_eq!(lines.lines().count(), 100);
    for line in lines.lines().map(event) {
        assert_eq!(line["attempts"], 1, "{line}");
    }
}

/// Three servers over TLS are replaced one after the other under constant load.
///
/// Each is replaced once, or again until ROLLING_SECONDS have passed. The counts are printed.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_replacement_over_tls_loses_no_call_of_this_client() {
    let folder = TempDir::new().expect("a folder");
    let authority = Authority::new("authority");
    let ca = authority.write(folder.path(), "ca.crt");
    let (certificate, key) = authority.server().issue().write(folder.path());
    let start = move |address: &str| {
        let settings = [
            ("SAMPLE__TLS__CERTIFICATE", certificate.as_str()),
            ("SAMPLE__TLS__KEY", &key),
            ("SAMPLE__SHUTDOWN__LAME_DUCK", "100ms"),
        ];
        ServerProcess::with(&settings, &["--address", address])
    };
    let mut servers = [(); 3].map(|()| start("127.0.0.1:0"));

    let addresses = servers.each_ref().map(|server| server.address.as_str()).join(",");
    let files = TlsFiles { ca: Some(ca.into()), ..TlsFiles::default() };
    let channel = Channel::new(&Target {
        address: addresses.parse().expect("addresses"),
        tls: Some(Tls::load(&files).expect("files")),
        timeout: Duration::from_secs(60),
        wait_for_ready: false,
        max_attempts: MAX_ATTEMPTS,
        user_agent: channel::user_agent("tests", "1.0"),
        tracing: None,
        balance: channel::Balance::default(),
        outlier_detection: None,
    });
    channel.connected().await.expect("servers");
    let ending = Arc::new(AtomicBool::new(false));
    let (succeeded, retried) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut load = JoinSet::new();
    for _ in 0..8 {
        let mut client = SampleServiceClient::new(channel.clone());
        let (ending, succeeded, retried) = (ending.clone(), succeeded.clone(), retried.clone());
        load.spawn(async move {
            while !ending.load(Relaxed) {
                let response = client.call(request("hello")).await?;
                succeeded.fetch_add(1, Relaxed);
                let again = response.metadata().contains_key("grpc-previous-rpc-attempts");
                retried.fetch_add(again.into(), Relaxed);
            }
            Ok::<_, tonic::Status>(())
        });
    }

    let seconds = env::var("ROLLING_SECONDS").map_or(0, |text| text.parse().expect("a number"));
    let end = Instant::now() + Duration::from_secs(seconds);
    let replaced = spawn_blocking(move || {
        let mut replaced = 0;
        while replaced < servers.len() || Instant::now() < end {
            let server = &mut servers[replaced % 3];
            // A server is stopped only once it gets calls: the client has then connected to it.
            server.wait_for_event("call");
            server.process.signal(Signal::TERM);
            server.wait_for_event("draining");
            // The port is free once the old server has closed it.
            while TcpListener::bind(&server.address).is_err() {
                std::thread::yield_now();
            }
            let new = start(&server.address);
            let (status, lines) = mem::replace(server, new).process.wait();
            assert_eq!(status.code(), Some(0), "{:?}", lines.last());
            replaced += 1;
        }
        for server in &servers {
            server.wait_for_event("call");
        }
        // The load must end before the servers.
        (replaced, servers)
    });
    let (replaced, _servers) = replaced.await.expect("no panic");
    ending.store(true, Relaxed);
    for outcome in load.join_all().await {
        outcome.expect("no call is lost");
    }
    println!(
        "{replaced} servers replaced: {} calls succeeded, {} of them not at once",
        succeeded.load(Relaxed),
        retried.load(Relaxed)
    );
}
