//! The reload of certificate files that change while a channel is in use.

use channel::{Balance, Channel, MAX_ATTEMPTS, Target, Tls, TlsFiles};
use rustix::process::Signal;
use sample_service::proto::sample_service_client::SampleServiceClient;

use crate::support::{
    certificates::Authority,
    in_process::request,
    process::{NEVER, ServerProcess},
    volume::Volume,
};

/// Starts a server that requires a certificate of its own authority.
fn start(files: &Volume, address: &str) -> ServerProcess {
    let [certificate, key, ca] = ["tls.crt", "tls.key", "ca.crt"].map(|name| files.path(name));
    let settings = [
        ("SAMPLE__TLS__CERTIFICATE", &*certificate),
        ("SAMPLE__TLS__KEY", &key),
        ("SAMPLE__TLS__CLIENT_CA", &ca),
    ];
    ServerProcess::with(&settings, &["--address", address])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_connects_with_the_certificate_and_the_authority_that_are_mounted_now() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let of_server = Volume::new(&old.server().issue(), &old);
    let of_client = Volume::new(&old.client("first").issue(), &old);
    let server = start(&of_server, "127.0.0.1:0");
    let [certificate, key, ca] = ["tls.crt", "tls.key", "ca.crt"].map(|name| of_client.path(name));
    let files = TlsFiles {
        ca: Some(ca.into()),
        identity: Some((certificate.into(), key.into())),
        server_name: None,
    };
    let channel = Channel::new(&Target {
        address: server.address.parse().expect("an address"),
        tls: Some(Tls::load(&files).expect("files")),
        timeout: NEVER,
        wait_for_ready: true,
        max_attempts: MAX_ATTEMPTS,
        balance: Balance::default(),
        outlier_detection: None,
        user_agent: channel::user_agent("tests", "1.0"),
        tracing: None,
    });
    let mut client = SampleServiceClient::new(channel);
    client.call(request("hello")).await.expect("the server trusts the client");
    assert_eq!(server.wait_for_event("call")["subject"], "first");

    let address = server.address.clone();
    server.process.signal(Signal::TERM);
    server.process.wait();
    of_server.change(&new.server().issue(), &new);
    of_client.change(&new.client("second").issue(), &new);
    let server = start(&of_server, &address);
    client.call(request("hello")).await.expect("each trusts the authority of the other");
    assert_eq!(server.wait_for_event("call")["subject"], "second");
}
