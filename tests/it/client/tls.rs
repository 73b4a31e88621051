//! `sample-service call` and `health` over TLS: the certificates that they trust, and errors.

use std::{path::Path, process::Output, sync::Arc};

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::support::{
    certificates::{Authority, Issued, write},
    process::{Process, ServerProcess, command, run, run_with_input, stderr, stdout},
    python,
};

const REPLY: &str = "request : hello\nresponse : reply for hello\n";

/// An authority, and a folder with the files that it has issued.
struct Files {
    authority: Authority,
    folder: TempDir,
    ca: String,
}

impl Files {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let authority = Authority::new("authority");
        let ca = authority.write(folder.path(), "ca.crt");
        Self { authority, folder, ca }
    }

    /// Writes a certificate and its key in a folder. Returns their paths.
    fn issue(&self, name: &str, issued: &Issued) -> (String, String) {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).expect("a folder");
        issued.write(&folder)
    }

    fn server(&self) -> (String, String) {
        self.issue("server", &self.authority.server().issue())
    }

    fn client(&self) -> (String, String) {
        self.issue("client", &self.authority.client("caller").issue())
    }
}

/// Starts the server with a certificate. With `client_ca`, clients need a certificate too.
fn server((certificate, key): &(String, String), client_ca: Option<&str>) -> ServerProcess {
    let mut settings =
        vec![("SAMPLE__TLS__CERTIFICATE", certificate.as_str()), ("SAMPLE__TLS__KEY", key)];
    settings.extend(client_ca.map(|file| ("SAMPLE__TLS__CLIENT_CA", file)));
    ServerProcess::with(&settings, &[])
}

fn call(server: &str, more: &[&str]) -> Output {
    run(&[&["call", "hello", "--timeout", "30s", "--address", server], more].concat())
}

fn refused(output: &Output, code: i32, problem: &str) {
    let error = stderr(output);
    assert!(error.contains(problem), "{problem}: {error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert_eq!(output.status.code(), Some(code), "{error}");
}

#[test]
fn call_works_over_tls_with_and_without_a_client_certificate() {
    let files = Files::new();
    let (identity, (cert, key)) = (files.server(), files.client());
    let one_way = server(&identity, None);
    let output = call(&one_way.address, &["--ca", &files.ca]);
    assert_eq!(stdout(&output), REPLY, "{}", stderr(&output));
    // The file is read once, so it can be a pipe.
    let output = run_with_input(
        &["call", "hello", "--address", &one_way.address, "--ca", "/dev/stdin"],
        &std::fs::read_to_string(&files.ca).expect("PEM"),
    );
    assert_eq!(stdout(&output), REPLY, "{}", stderr(&output));

    let mutual = server(&identity, Some(&files.ca));
    let client = ["--ca", &files.ca, "--cert", &cert, "--key", &key];
    let output = call(&mutual.address, &client);
    assert_eq!(stdout(&output), REPLY, "{}", stderr(&output));
    let output = mutual.run(&[&["health", "--timeout", "30s"][..], &client].concat());
    assert_eq!(stdout(&output), "SERVING\n", "{}", stderr(&output));

    refused(&call(&mutual.address, &["--ca", &files.ca]), 2, "pass --cert and --key");
}

#[test]
fn call_works_with_a_grpcio_server_over_tls_with_and_without_a_client_certificate() {
    let files = Files::new();
    let ((server_cert, server_key), (cert, key)) = (files.server(), files.client());
    let client = ["--ca", &files.ca, "--cert", &cert, "--key", &key];
    for (authority, flags) in [(None, &client[..2]), (Some(&files.ca), &client[..])] {
        let Some(mut script) = python::script("secure_server.py") else { return };
        let server = Process::spawn(script.args([&server_cert, &server_key]).args(authority));
        let port = server.wait_for(|line| line.strip_prefix("port ").map(ToOwned::to_owned));
        let address = format!("localhost:{port}");
        let output = call(&address, flags);
        assert_eq!(stdout(&output), REPLY, "{}", stderr(&output));
        if authority.is_some() {
            let output = call(&address, &client[..2]);
            assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        }
    }
}

#[test]
fn openssl_and_the_client_agree_on_a_post_quantum_key_exchange() {
    let files = Files::new();
    let (cert, key) = files.server();
    let Some(mut script) = python::script("openssl_peer.py") else { return };
    let server = Process::spawn(script.args(["server", &cert, &key]));
    let port = server.wait_for(|line| line.strip_prefix("port ").map(ToOwned::to_owned));
    // This server closes the connection after the handshake, so the command fails.
    let address = format!("localhost:{port}");
    run(&["health", "--timeout", "30s", "--address", &address, "--ca", &files.ca]);
    let group = server.wait_for(|line| line.strip_prefix("group ").map(ToOwned::to_owned));
    assert_eq!(group, "X25519MLKEM768");
}

#[test]
fn every_certificate_of_a_file_of_the_client_is_read_or_refused_with_its_line() {
    let files = Files::new();
    let mutual = server(&files.server(), Some(&files.ca));
    let (cert, key) = files.client();
    let other = Authority::new("other").pem();
    let pem = files.authority.pem();
    // The authority of the server is the second of the file.
    let glued = (other.clone() + &pem).replace("-----\n-----BEGIN", "----------BEGIN");
    let indented = |file: &str, name| {
        let text = std::fs::read_to_string(file).expect("PEM").replace('\n', "\n  ");
        write(files.folder.path(), name, &format!("\u{feff}{text}"))
    };
    let (cert, key) = (indented(&cert, "indented.crt"), indented(&key, "indented.key"));
    let ca = write(files.folder.path(), "glued.crt", &glued);
    let output = call(&mutual.address, &["--ca", &ca, "--cert", &cert, "--key", &key]);
    assert_eq!(stdout(&output), REPLY, "{}", stderr(&output));

    let half =
        write(files.folder.path(), "half.crt", &format!("{pem}----BEGIN CERTIFICATE-----\n"));
    let line = pem.lines().count() + 1;
    refused(&call(&mutual.address, &["--ca", &half]), 1, &format!("line {line}, where a block"));
    let chain = std::fs::read_to_string(&cert).expect("PEM") + "\n" + &other;
    let chain = write(files.folder.path(), "chain.crt", &chain);
    let flags = ["--ca", &files.ca, "--cert", &chain, "--key", &key];
    refused(&call(&mutual.address, &flags), 1, "did not issue the one before it");
}

#[test]
fn an_untrusted_server_is_exit_code_2_with_the_reason() {
    let files = Files::new();
    let good = server(&files.server(), None);
    let other = Files::new();
    refused(&call(&good.address, &["--ca", &other.ca]), 2, "is not signed by a trusted authority");
    let wrong_name = ["--ca", files.ca.as_str(), "--server-name", "example.org"];
    refused(&call(&good.address, &wrong_name), 2, "is not for example.org but for");

    // A server of this program does not start with such a certificate, but one of grpcio does.
    for (name, first, last, problem) in [
        ("expired", 2000, 2001, "has expired: it was valid until 2001-01-01T00:00:00Z"),
        ("early", 2990, 3000, "is not valid yet: it will be valid from 2990-01-01T00:00:00Z"),
    ] {
        let (cert, key) = files.issue(name, &files.authority.server().years(first, last).issue());
        let Some(mut script) = python::script("secure_server.py") else { return };
        let server = Process::spawn(script.args([&cert, &key]));
        let port = server.wait_for(|line| line.strip_prefix("port ").map(ToOwned::to_owned));
        refused(&call(&format!("127.0.0.1:{port}"), &["--ca", &files.ca]), 2, problem);
    }
}

#[test]
fn server_name_sets_the_expected_name() {
    let files = Files::new();
    let identity = files.issue("named", &files.authority.server_of(&["example.org"]).issue());
    let server = server(&identity, None);
    let output = call(&server.address, &["--ca", &files.ca, "--server-name", "example.org"]);
    assert_eq!(stdout(&output), REPLY, "{}", stderr(&output));
}

#[test]
fn plaintext_to_tls_and_tls_to_plaintext_are_named_in_the_error() {
    let files = Files::new();
    let secure = server(&files.server(), None);
    refused(&call(&secure.address, &[]), 2, "the server speaks TLS: pass --tls");
    let plain = ServerProcess::start(&[]);
    refused(&call(&plain.address, &["--ca", &files.ca]), 2, "the server does not speak TLS");
}

#[test]
fn each_wrong_file_is_named_in_the_error() {
    let files = Files::new();
    let issued = files.authority.client("caller").issue();
    let (cert, key) = files.issue("client", &issued);
    let folder = files.folder.path();
    let other_key = files.issue("other", &files.authority.client("other").issue()).1;
    let empty = write(folder, "empty", "");
    let large = write(folder, "large", &"x".repeat(1024 * 1024));
    let broken = write(folder, "broken", &issued.key.replacen("\nMI", "\n%%", 1));
    let missing = folder.join("missing").to_str().expect("UTF-8").to_owned();
    let directory = folder.to_str().expect("UTF-8");
    assert!(Path::new(directory).is_dir());
    for (ca, cert, key, named, problem) in [
        (missing.as_str(), &cert, &key, missing.as_str(), "No such file or directory"),
        (directory, &cert, &key, directory, "is a directory: name the file in it"),
        (empty.as_str(), &cert, &key, empty.as_str(), "is empty"),
        (key.as_str(), &cert, &key, key.as_str(), "no certificate"),
        (files.ca.as_str(), &empty, &key, empty.as_str(), "is empty"),
        (files.ca.as_str(), &cert, &missing, missing.as_str(), "No such file or directory"),
        (files.ca.as_str(), &cert, &empty, empty.as_str(), "is empty"),
        (files.ca.as_str(), &cert, &cert, cert.as_str(), "has no key"),
        (files.ca.as_str(), &cert, &broken, broken.as_str(), "is not base64"),
        (large.as_str(), &cert, &key, large.as_str(), "is a megabyte or more"),
        // A file that never ends.
        ("/dev/zero", &cert, &key, "/dev/zero", "is a megabyte or more"),
        (
            files.ca.as_str(),
            &cert,
            &other_key,
            other_key.as_str(),
            "not the key of the certificate",
        ),
    ] {
        let output = call("127.0.0.1:1", &["--ca", ca, "--cert", cert, "--key", key]);
        refused(&output, 1, problem);
        assert!(stderr(&output).contains(&format!("{named}: ")), "{}", stderr(&output));
    }
    refused(&call("127.0.0.1:1", &["--ca", &files.ca, "--server-name", "a b"]), 1, "\"a b\"");
}

#[test]
fn a_system_without_authorities_is_told_to_pass_one() {
    let folder = TempDir::new().expect("a folder");
    let empty = write(folder.path(), "empty", "");
    let mut call = command(&["call", "--tls", "--address", "127.0.0.1:1"]);
    let output = call.env("SSL_CERT_FILE", &empty).env("SSL_CERT_DIR", folder.path()).output();
    refused(&output.expect("it runs"), 1, "pass one with --ca");
}

#[test]
fn the_authorities_of_the_system_are_trusted_by_default() {
    let files = Files::new();
    let server = server(&files.server(), None);
    let mut call = command(&["call", "hello", "--tls", "--address", &server.address]);
    let output = call.env("SSL_CERT_FILE", &files.ca).output().expect("it runs");
    assert_eq!(stdout(&output), REPLY, "{}", stderr(&output));
}

/// The health check of the image runs like this: without arguments, with the environment.
#[test]
fn a_probe_without_an_address_uses_tls_if_the_server_of_the_environment_does() {
    let files = Files::new();
    let (cert, key) = files.server();
    let server = server(&(cert.clone(), key.clone()), None);
    let probe = |settings: &[(&str, &str)]| {
        let mut probe = command(&["health", "--timeout", "30s"]);
        let tls = [("SAMPLE__TLS__CERTIFICATE", cert.as_str()), ("SAMPLE__TLS__KEY", &key)];
        probe.env("SAMPLE__SERVER__ADDRESS", &server.address).envs(tls);
        probe.envs(settings.iter().copied()).output().expect("it runs")
    };
    let output = probe(&[]);
    assert_eq!(stdout(&output), "SERVING\n", "{}", stderr(&output));

    let client_ca = ("SAMPLE__TLS__CLIENT_CA", files.ca.as_str());
    refused(&probe(&[client_ca]), 1, "server.health_address");

    // The health address is plaintext.
    let plain = ServerProcess::start(&[]);
    let output = probe(&[client_ca, ("SAMPLE__SERVER__HEALTH_ADDRESS", &plain.address)]);
    assert_eq!(stdout(&output), "SERVING\n", "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_negotiate_http2_is_refused() {
    let files = Files::new();
    let (certificate, key) = files.server();
    let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("a client");
        acceptor.accept(tcp).await.expect("a handshake")
    });
    refused(&call(&address, &["--ca", &files.ca]), 2, "does not offer HTTP/2");
}
