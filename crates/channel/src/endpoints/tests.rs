use std::net::SocketAddr;

use tokio::sync::mpsc;

use super::*;

async fn sender() -> RequestSender {
    let (near, _far) = tokio::io::duplex(1 << 10);
    let (requests, _connection) = h2::client::handshake(near).await.expect("it is open");
    RequestSender::new(requests, 1).0
}

#[tokio::test]
async fn a_failed_resolution_keeps_the_connections() {
    let found: SocketAddr = ([127, 0, 0, 1], 0).into();
    let resolver = Resolver::new(|_| Box::pin(std::future::pending()));
    let (events, _received) = mpsc::channel(16);
    let host = "name:1".parse().expect("a host");
    let mut host = Endpoints::start(&host, None, &resolver, EventSender::new(0, events));
    host.apply(Event::Resolved(Ok([found].into())));
    let socket = Socket::Ip(([127, 0, 0, 1], 1).into());
    host.apply(Event::Changed(socket, Change::Ready(sender().await)));
    assert_eq!(host.ready().count(), 1);
    host.apply(Event::Resolved(Err("no such name".to_owned())));
    assert_eq!(host.ready().count(), 1);
    assert_eq!(host.failure(), None);
}

#[tokio::test]
async fn only_a_connection_that_had_worked_is_lost() {
    let resolver = Resolver::new(|_| Box::pin(std::future::pending()));
    let (events, _received) = mpsc::channel(16);
    let socket = Socket::Ip(([127, 0, 0, 1], 1).into());
    let host = "127.0.0.1:1".parse().expect("a host");
    let mut host = Endpoints::start(&host, None, &resolver, EventSender::new(0, events));
    let mut is_lost = |change| {
        host.apply(Event::Changed(socket.clone(), change));
        *host.lost.borrow()
    };
    let failed = || Change::Failed("refused".to_owned());
    assert!(!is_lost(failed()));
    assert!(!is_lost(Change::Ready(sender().await)));
    assert!(is_lost(Change::Lost));
    assert!(is_lost(failed()), "it is not connected again");
    assert!(!is_lost(Change::Ready(sender().await)));
}
