//! Connections over TLS, and handshakes that fail.

use std::time::{Duration, Instant};

use rcgen::SanType;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tonic::Code;

use crate::support::{
    certificates::{Authority, write},
    http2::{self, Peer, frame, grpc_headers},
    in_process::InProcess,
    process::{NEVER, Process, ServerProcess, command, event, run, stderr, stdout},
    python,
    test_service::{self, NAMES},
    tls::Client,
    wire::{Caller, message, text},
};

/// The header of a TLS record with a handshake message of 512 bytes, and its first bytes.
const HALF_A_HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

/// An authority, and the files of a server that it has issued.
struct Files {
    authority: Authority,
    folder: TempDir,
    certificate: String,
    key: String,
}

impl Files {
    fn new() -> Self {
        let authority = Authority::new("authority");
        let folder = TempDir::new().expect("a folder");
        let (certificate, key) = authority.server().issue().write(folder.path());
        Self { authority, folder, certificate, key }
    }

    fn settings(&self) -> [(&'static str, &str); 2] {
        [("tls.certificate", &self.certificate), ("tls.key", &self.key)]
    }

    fn environment(&self) -> [(&'static str, &str); 3] {
        let [(_, certificate), (_, key)] = self.settings();
        let level = ("SAMPLE__LOG__LEVEL", "debug");
        [("SAMPLE__TLS__CERTIFICATE", certificate), ("SAMPLE__TLS__KEY", key), level]
    }

    fn client(&self) -> Client {
        Client::new(self.authority.pem())
    }
}

async fn assert_responds(caller: &mut Caller) {
    let response = caller.call(&[], message(false, &text("hello"))).await;
    assert_eq!(response.code(), Code::Ok);
}

#[tokio::test]
async fn tls_1_2_and_tls_1_3_are_served() {
    let files = Files::new();
    let server = InProcess::start(&files.settings()).await;
    for version in [&TLS12, &TLS13] {
        let (mut caller, _) = files.client().version(version).caller(&server.address).await;
        assert_responds(&mut caller).await;
    }
}

#[tokio::test]
async fn a_client_without_alpn_for_http2_is_refused_if_only_grpc_is_served() {
    let files = Files::new();
    let [certificate, key] = files.settings();
    let server = InProcess::start(&[certificate, key, ("server.protocols", "grpc")]).await;
    for protocols in [&[][..], &["http/1.1"], &["h3", "http/1.1"]] {
        let Ok(mut tls) = files.client().protocols(protocols).connect(&server.address).await else {
            assert!(!protocols.is_empty(), "without ALPN, it is refused after the handshake");
            continue;
        };
        assert!(protocols.is_empty(), "{protocols:?} is refused in the handshake");
        let _ = tls.write_all(http2::PREFACE).await;
        let mut response = Vec::new();
        let ended = tokio::time::timeout(NEVER, tls.read_to_end(&mut response)).await;
        let _ = ended.expect("the connection is closed");
        assert_eq!(response, b"");
    }
    assert_responds(&mut files.client().caller(&server.address).await.0).await;
}

#[tokio::test]
async fn plaintext_to_the_tls_port_gets_at_most_an_alert() {
    let files = Files::new();
    let server = InProcess::start(&files.settings()).await;
    let call = [
        http2::PREFACE,
        &frame(http2::SETTINGS, 0, 0, &[]),
        &frame(http2::HEADERS, http2::END_HEADERS, 1, &grpc_headers("/SampleService/Call")),
        &frame(0, http2::END_STREAM, 1, &[0; 5]),
    ]
    .concat();
    for plaintext in [&call[..], b"GET / HTTP/1.1\r\nhost: test\r\n\r\n"] {
        let mut peer = Peer::connect(&server.address).await;
        peer.send(plaintext).await;
        let response = peer.rest().await;
        // A TLS record with an alert of two bytes, or nothing.
        assert!(
            response.is_empty() || (response[0] == 0x15 && response.len() == 7),
            "{response:x?}"
        );
    }
}

#[test]
fn the_health_address_stays_plaintext() {
    let files = Files::new();
    let [certificate, key, _] = files.environment();
    let health_address = ("SAMPLE__SERVER__HEALTH_ADDRESS", "127.0.0.1:0");
    let mut serve = command(&["serve", "--log-format", "json", "--address", "127.0.0.1:0"]);
    let server = Process::spawn(serve.envs([certificate, key, health_address]));
    let address = server.wait_for(|line| Some(event(line)["health_address"].as_str()?.to_owned()));
    assert_eq!(stdout(&run(&["health", "--address", &address])), "SERVING\n");
}

#[test]
fn a_python_client_calls_over_tls() {
    let files = Files::new();
    let Some(mut script) = python::script("secure_client.py") else { return };
    let server = ServerProcess::with(&files.environment(), &[]);
    let authority = files.authority.write(files.folder.path(), "ca.crt");
    let output = script.args([&server.address, &authority]).output().expect("python runs");
    assert_eq!(stdout(&output), "reply for hello\n1\n", "{}", stderr(&output));
}

#[test]
fn mutual_tls_serves_only_clients_of_the_authority_and_logs_their_names() {
    let files = Files::new();
    let authority = files.authority.write(files.folder.path(), "ca.crt");
    let [certificate, key, level] = files.environment();
    let client_ca = ("SAMPLE__TLS__CLIENT_CA", authority.as_str());
    let server = ServerProcess::with(&[certificate, key, client_ca, level], &[]);

    let stranger = Authority::new("authority");
    for (identity, is_served) in [
        (None, false),
        (Some(stranger.client("alice").issue()), false),
        (Some(files.authority.client("alice").years(2000, 2001).issue()), false),
        (Some(files.authority.client("alice").issue()), true),
    ] {
        let Some(mut script) = python::script("secure_client.py") else { return };
        script.args([&server.address, &authority]);
        let folder = TempDir::new().expect("a folder");
        if let Some((certificate, key)) = identity.map(|identity| identity.write(folder.path())) {
            script.args([certificate, key]);
        }
        let output = script.output().expect("python runs");
        if is_served {
            assert_eq!(stdout(&output), "reply for hello\n1\n", "{}", stderr(&output));
            assert_eq!(server.wait_for_event("call")["subject"], "alice");
        } else {
            assert_eq!(stdout(&output), "UNAVAILABLE\nUNAVAILABLE\n", "{}", stderr(&output));
            let failed = server.wait_for_event("a connection was ended for what its peer did");
            assert_eq!(failed["reason"], "tls");
            assert!(failed["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")));
        }
    }
}

#[test]
fn a_client_without_a_common_name_is_known_by_its_alternative_names() {
    let files = Files::new();
    let authority = files.authority.write(files.folder.path(), "ca.crt");
    let [certificate, key, level] = files.environment();
    let client_ca = ("SAMPLE__TLS__CLIENT_CA", authority.as_str());
    let server = test_service::start(&[certificate, key, client_ca, level]);
    let name = |name: &str| name.try_into().expect("ASCII");
    let email = SanType::Rfc822Name(name("orders@example.org"));
    let dns = SanType::DnsName(name("orders.example.org"));
    let uri = SanType::URI(name("spiffe://example.org/orders"));
    for (names, subject, known) in [
        (
            vec![email.clone(), dns.clone(), uri],
            "spiffe://example.org/orders",
            r#"["spiffe://example.org/orders"] ["orders.example.org"] ["orders@example.org"]"#,
        ),
        (
            vec![email.clone(), dns],
            "orders.example.org",
            r#"[] ["orders.example.org"] ["orders@example.org"]"#,
        ),
        (vec![email], "orders@example.org", r#"[] [] ["orders@example.org"]"#),
    ] {
        let folder = TempDir::new().expect("a folder");
        let issued = files.authority.client("").only_alternative_names(&names).issue();
        let (cert, key) = issued.write(folder.path());
        let tls = ["--ca", &authority, "--cert", &cert, "--key", &key];
        let call = ["call", NAMES, "--timeout", "30s", "--address", &server.address];
        let output = run(&[&call[..], &tls].concat());
        let reply = format!("response : Some({subject:?}) None {known}\n");
        assert!(stdout(&output).ends_with(&reply), "{}{}", stdout(&output), stderr(&output));
        assert_eq!(server.wait_for_event("call")["subject"], subject);
    }
}

/// If the server skipped the block of an authority, it would refuse the clients of this authority.
#[tokio::test]
async fn clients_of_all_authorities_of_a_file_are_served_however_it_is_written() {
    let files = Files::new();
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let two = first.pem().trim_end().to_owned() + "\n" + &second.pem();
    let glued = two.replace("-----\n-----BEGIN", "----------BEGIN");
    assert_ne!(glued, two);
    for text in [
        format!("\u{feff}{two}"),
        two.replace("-----BEGIN", "\u{feff}-----BEGIN"),
        two.replace('\n', "\n  "),
        two.replace('\n', "\r"),
        two.replace("CERTIFICATE", "X509 CERTIFICATE"),
        two.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        glued,
    ] {
        let client_ca = write(files.folder.path(), "ca.crt", &text);
        let [certificate, key] = files.settings();
        let server = InProcess::start(&[certificate, key, ("tls.client_ca", &client_ca)]).await;
        for authority in [&first, &second] {
            let client = files.client().identity(authority.client("a").issue());
            assert_responds(&mut client.caller(&server.address).await.0).await;
        }
    }
}

#[test]
fn openssl_and_the_server_agree_on_a_post_quantum_key_exchange() {
    let files = Files::new();
    let authority = files.authority.write(files.folder.path(), "ca.crt");
    let server = ServerProcess::with(&files.environment()[..2], &[]);
    let Some(mut script) = python::script("openssl_peer.py") else { return };
    let output = script.args(["client", &server.address, &authority]).output();
    let output = output.expect("python runs");
    assert_eq!(stdout(&output), "group X25519MLKEM768\n", "{}", stderr(&output));
}

#[tokio::test]
async fn stalled_handshakes_are_dropped() {
    let files = Files::new();
    let [certificate, key] = files.settings();
    let server = InProcess::start(&[certificate, key, ("limits.handshake", "500ms")]).await;
    for sent in [&b""[..], HALF_A_HELLO] {
        let mut peer = Peer::connect(&server.address).await;
        peer.send(sent).await;
        assert_eq!(peer.rest().await, b"");
    }
    // After the handshake, the rest of the time is for the preface of HTTP/2.
    let mut tls = files.client().connect(&server.address).await.expect("a connection");
    let mut response = Vec::new();
    let ended = tokio::time::timeout(NEVER, tls.read_to_end(&mut response)).await;
    let _ = ended.expect("the connection is closed");
    assert_eq!(response, b"");

    assert_responds(&mut files.client().caller(&server.address).await.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_half_open_handshakes_do_not_block_other_clients() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).expect("up to the most");
    let files = Files::new();
    let environment =
        [&files.environment()[..2], &[("SAMPLE__LIMITS__HANDSHAKE", "1h")][..]].concat();
    let server = ServerProcess::with(&environment, &[]);
    let mut half_open = Vec::new();
    for _ in 0..1000 {
        let mut peer = Peer::connect(&server.address).await;
        peer.send(HALF_A_HELLO).await;
        half_open.push(peer);
    }
    for _ in 0..10 {
        assert_responds(&mut files.client().caller(&server.address).await.0).await;
    }
    // The handshakes are still open, so the calls above were served beside them.
    for peer in &half_open {
        let error = peer.0.try_read(&mut [0]).expect_err("there is nothing to read");
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_handshake_does_not_delay_the_drain() {
    let files = Files::new();
    let [certificate, key, level] = files.environment();
    let server =
        ServerProcess::with(&[certificate, key, level, ("SAMPLE__SHUTDOWN__DRAIN", "1h")], &[]);
    let mut peer = Peer::connect(&server.address).await;
    peer.send(HALF_A_HELLO).await;
    // Once another connection has been served, this one has been accepted.
    assert_responds(&mut files.client().caller(&server.address).await.0).await;
    let start = Instant::now();
    server.process.signal(Signal::TERM);
    let (status, lines) = server.process.wait();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(status.code(), Some(0));
    let ended = lines.iter().map(|line| event(line)).filter(|event| event["error"].is_string());
    let errors: Vec<_> = ended.map(|event| event["error"].clone()).collect();
    assert!(errors.contains(&"no preface in the drain".into()), "{lines:#?}");
}
