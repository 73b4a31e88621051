//! The reload of certificate files that change while the server runs.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_rustls::rustls::{
    HandshakeKind,
    version::{TLS12, TLS13},
};
use tonic::Code;

use crate::support::{
    certificates::{Authority, Issued, write},
    http1::get,
    http2::PREFACE,
    in_process::InProcess,
    process::{NEVER, ServerProcess},
    tls::{Client, connect, serial},
    volume::Volume,
    wire::{Caller, message, text},
};

const RELOADED: &str = "certificate reloaded";
const NOT_RELOADED: &str = "certificate not reloaded: the old one stays";

async fn responds(caller: &mut Caller) -> bool {
    caller.call(&[], message(false, &text("hello"))).await.code() == Code::Ok
}

/// The certificate changes five times, or RELOAD_SWAPS times. The number of calls is printed.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_change_under_load_and_no_call_fails() {
    let swaps = env::var("RELOAD_SWAPS").map_or(5, |text| text.parse().expect("a number"));
    let authority = Authority::new("authority");
    let volume = Volume::new(&authority.server().serial(1000).issue(), &authority);
    let server = volume.start(&[]);
    let client = Arc::new(Client::new(authority.pem()));
    let ending = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicU64::new(0));

    let mut callers = Vec::new();
    // The first caller keeps its connection, and the others reconnect every few calls.
    for calls_on_each in [u64::MAX, 3, 3, 3] {
        let (client, address) = (Arc::clone(&client), server.address.clone());
        let (ending, calls) = (Arc::clone(&ending), Arc::clone(&calls));
        callers.push(tokio::spawn(async move {
            while !ending.load(Ordering::Relaxed) {
                let (mut caller, _) = client.caller(&address).await;
                for _ in 0..calls_on_each {
                    assert!(responds(&mut caller).await);
                    calls.fetch_add(1, Ordering::Relaxed);
                    if ending.load(Ordering::Relaxed) {
                        break;
                    }
                }
            }
        }));
    }
    for number in 1001..=1000 + swaps {
        volume.change(&authority.server().serial(number).issue(), &authority);
        let event = server.wait_for_event(RELOADED);
        assert_eq!(serial(event["serial"].as_str().expect("a serial number")), number);
        assert_eq!(client.caller(&server.address).await.1, number);
    }
    ending.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("no connection and no call fails");
    }
    println!("{swaps} certificates, {} calls, none failed", calls.load(Ordering::Relaxed));
    assert!(calls.load(Ordering::Relaxed) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pair_is_reported_and_the_old_certificate_stays() {
    let authority = Authority::new("authority");
    let volume = Volume::new(&authority.server().serial(1).issue(), &authority);
    let server = volume.start(&[]);
    let client = Client::new(authority.pem());
    let Issued { certificate, .. } = authority.server().serial(2).issue();
    let Issued { key, .. } = authority.server().serial(3).issue();
    volume.change(&Issued { certificate, key }, &authority);

    let event = server.wait_for_event(NOT_RELOADED);
    assert_eq!(event["level"], "ERROR");
    let error = event["error"].as_str().expect("text");
    assert!(error.starts_with(&format!("tls.key: {}: is not the key of", volume.path("tls.key"))));
    let (mut caller, serial) = client.caller(&server.address).await;
    assert!(responds(&mut caller).await);
    assert_eq!(serial, 1);

    volume.change(&authority.server().serial(4).issue(), &authority);
    server.wait_for_event(RELOADED);
    assert_eq!(client.caller(&server.address).await.1, 4);
    assert!(responds(&mut caller).await, "the open connection stays usable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_client_authority_applies_to_new_connections() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let issued = old.server().issue();
    let volume = Volume::new(&issued, &old);
    let server = volume.start(&[("SAMPLE__TLS__CLIENT_CA", &volume.path("ca.crt"))]);
    let of_old = || Client::new(old.pem()).identity(old.client("a").issue());
    let of_new = || Client::new(old.pem()).identity(new.client("b").issue());
    let (mut open, _) = of_old().caller(&server.address).await;
    assert!(responds(&mut open).await);
    assert_refused(&of_new(), &server.address).await;

    volume.change(&issued, &new);
    server.wait_for_event(RELOADED);
    assert!(responds(&mut of_new().caller(&server.address).await.0).await);
    assert_refused(&of_old(), &server.address).await;
    assert!(responds(&mut open).await, "the open connection stays usable");
}

/// Asserts that the server refuses the client. In TLS 1.3, the handshake of a refused client
/// succeeds, and its first read fails.
async fn assert_refused(client: &Client, address: &str) {
    let Ok(mut tls) = client.connect(address).await else { return };
    let _ = tls.write_all(PREFACE).await;
    let read = timeout(NEVER, tls.read(&mut [0])).await.expect("the connection is closed");
    assert!(!matches!(read, Ok(1..)), "there is a response");
}

#[test]
fn metrics_count_reloads_and_show_when_the_certificate_expires() {
    let authority = Authority::new("authority");
    let volume = Volume::new(&authority.server().issue(), &authority);
    let server = volume.start(&[("SAMPLE__METRICS__ADDRESS", "127.0.0.1:0")]);
    let metric = |series: &str| -> f64 {
        let metrics = get(&server.metrics_address, "/metrics").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(series)).expect("a series");
        line.trim().parse().expect("a number")
    };
    let now = || {
        (
            metric("chassis_tls_reloads_total{result=\"ok\"}"),
            metric("chassis_tls_reloads_total{result=\"failed\"}"),
            metric("chassis_tls_certificate_expiry_timestamp_seconds{file=\"certificate\"}"),
        )
    };
    // The output of `date --date 3000-01-01Z +%s`.
    assert_eq!(now(), (0.0, 0.0, 32_503_680_000.0));

    volume.change(&authority.server().serial(2).years(2000, 2999).issue(), &authority);
    server.wait_for_event(RELOADED);
    assert_eq!(now(), (1.0, 0.0, 32_472_144_000.0));
    volume.change(&authority.server().years(2000, 2001).issue(), &authority);
    server.wait_for_event(NOT_RELOADED);
    assert_eq!(now(), (1.0, 1.0, 32_472_144_000.0));
}

#[test]
fn metrics_show_when_the_first_certificate_of_each_file_expires() {
    let root = Authority::new("root");
    let intermediate = root.intermediate("intermediate", 2500);
    let Issued { certificate, key } = intermediate.server().years(2000, 2900).issue();
    let folder = TempDir::new().expect("a folder");
    let chain = Issued { certificate: certificate + &intermediate.pem(), key };
    let (certificate, key) = chain.write(folder.path());
    let (next, old) = (root.intermediate("next", 2600), root.intermediate("old", 2001));
    let authorities = root.pem() + &next.pem() + &old.pem();
    let client_ca = write(folder.path(), "ca.crt", &authorities);
    let server = ServerProcess::with(
        &[
            ("SAMPLE__TLS__CERTIFICATE", &*certificate),
            ("SAMPLE__TLS__KEY", &key),
            ("SAMPLE__TLS__CLIENT_CA", &client_ca),
            ("SAMPLE__METRICS__ADDRESS", "127.0.0.1:0"),
        ],
        &[],
    );
    let metrics = get(&server.metrics_address, "/metrics").body;
    let mut dates: Vec<_> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("chassis_tls_certificate_expiry_timestamp_seconds"))
        .collect();
    dates.sort_unstable();
    // 2500-01-01 and 2600-01-01: the old authority is not in use.
    let expected = ["{file=\"certificate\"} 16725225600", "{file=\"client_ca\"} 19880899200"];
    assert_eq!(dates, expected);
}

/// A resumed session would not check the client's certificate again.
#[tokio::test]
async fn mutual_tls_makes_a_full_handshake_on_every_connection() {
    let authority = Authority::new("authority");
    let volume = Volume::new(&authority.server().issue(), &authority);
    let (certificate, key) = (volume.path("tls.crt"), volume.path("tls.key"));
    let client_ca = volume.path("ca.crt");
    let files =
        [("tls.certificate", &*certificate), ("tls.key", &key), ("tls.client_ca", &client_ca)];
    let server = InProcess::start(&files).await;
    for version in [&TLS12, &TLS13] {
        let client = Client::new(authority.pem()).identity(authority.client("a").issue());
        let connector = client.version(version).connector();
        for _ in 0..2 {
            let tls = connect(&connector, &server.address).await.expect("a connection");
            assert_eq!(tls.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
            // After the response, the client has read any session ticket.
            assert!(responds(&mut Caller::over(tls).await).await);
        }
    }
}
