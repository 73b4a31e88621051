use std::{
    future::{pending, ready},
    io,
    net::SocketAddr,
    time::Duration,
};

use http::HeaderValue;
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::Balance;

/// A SETTINGS frame without settings (RFC 9113, section 6.5).
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Starts the balancer. The resolution of the name `hangs` does not end, that of `fails` fails, and
/// all other names are 127.0.0.1.
fn start(address: &str) -> (watch::Receiver<Snapshot>, AbortOnDropHandle<()>) {
    let resolver = Resolver::new(|name| match name.as_str() {
        "hangs" => Box::pin(pending()),
        "fails" => Box::pin(ready(Err(io::Error::other("no such name")))),
        _ => Box::pin(ready(Ok(vec![([127, 0, 0, 1], 0).into()]))),
    });
    let target = Target {
        address: address.parse().expect("an address"),
        tls: None,
        timeout: Duration::from_secs(60),
        wait_for_ready: false,
        max_attempts: 1,
        user_agent: HeaderValue::from_static("test"),
        tracing: None,
        balance: Balance::default(),
        outlier_detection: None,
    };
    let (sender, snapshots) = watch::channel(Snapshot::default());
    (snapshots, AbortOnDropHandle::new(tokio::spawn(balance(target, resolver, sender))))
}

/// Starts a server that begins HTTP/2 on each connection. Returns its port.
async fn serve() -> (u16, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let serve = async move {
        let mut connections = Vec::new();
        loop {
            let (mut tcp, _) = listener.accept().await.expect("a client");
            tcp.write_all(&SETTINGS).await.expect("it is open");
            connections.push(tcp);
        }
    };
    (port, AbortOnDropHandle::new(tokio::spawn(serve)))
}

/// Returns an address of 127.0.0.1 that refuses connections.
async fn closed() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("it is bound")
}

fn authorities(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.ready.iter().map(|ready| ready.authority.as_str()).collect()
}

#[tokio::test]
async fn a_name_that_hangs_or_fails_does_not_delay_the_others() {
    let (port, _server) = serve().await;
    let closed = closed().await;
    let address = format!("hangs:{port},fails:{port},works:{port},{closed}");
    let (mut snapshots, _balancer) = start(&address);
    let snapshot = snapshots.wait_for(|snapshot| !snapshot.ready.is_empty()).await.expect("open");
    assert_eq!(authorities(&snapshot), [format!("works:{port}")]);
    assert_eq!(snapshot.failure(), None);
}

#[tokio::test]
async fn two_names_of_one_ip_address_have_a_connection_each() {
    let (port, _server) = serve().await;
    let (mut snapshots, _balancer) = start(&format!("b:{port},a:{port},127.0.0.1:{port}"));
    let snapshot = snapshots.wait_for(|snapshot| snapshot.ready.len() == 3).await.expect("open");
    let expected = [format!("b:{port}"), format!("a:{port}"), format!("127.0.0.1:{port}")];
    assert_eq!(authorities(&snapshot), expected);
}

#[tokio::test]
async fn the_cause_of_each_host_is_named_if_all_have_failed() {
    let closed = closed().await;
    let (mut snapshots, _balancer) = start(&format!("fails:1,{closed}"));
    let snapshot = snapshots.wait_for(|snapshot| snapshot.has_failed).await.expect("open");
    let refused = "Connection refused (os error 111)";
    let expected = format!("fails:1: no such name; {closed}: {refused}");
    assert_eq!(snapshot.failure(), Some(&*expected));
    drop(snapshot);

    let same = format!("{closed},name:{}", closed.port());
    let (mut snapshots, _balancer) = start(&same);
    let snapshot = snapshots.wait_for(|snapshot| snapshot.has_failed).await.expect("open");
    assert_eq!(snapshot.failure(), Some(refused));
}
