//! The choice between several servers, and the status of a call without a connection.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use channel::{Balance, Channel, Failure, Target};
use socket2::{Domain, Socket, Type};
use tonic::{Code, Request};

use crate::support::{Client, EchoServer, target};

fn received(server: &EchoServer) -> usize {
    server.echo.headers.lock().expect("no panic").len()
}

/// Waits until there is a connection to each address.
async fn reached_all(channel: &Channel) {
    while !channel.addresses().iter().all(|address| address.reached) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stream_counts_as_in_flight_until_its_response_has_ended() {
    let servers = [EchoServer::start().await, EchoServer::start().await];
    let address = format!("{},{}", servers[0].address, servers[1].address);
    for (balance, expected) in [(Balance::LeastRequest, 0), (Balance::RoundRobin, 10)] {
        let channel = Channel::new(&Target { balance, ..target(&address) });
        reached_all(&channel).await;
        let mut client = Client::new(channel);
        let before = servers.each_ref().map(received);
        let stream = client.repeat("unread").await.expect("a response");
        let busy = (0..2).find(|&at| received(&servers[at]) > before[at]).expect("one of them");
        let calls = async |client: &mut Client, number| {
            let before = received(&servers[busy]);
            for _ in 0..number {
                client.unary(Request::new("unary".to_owned())).await.expect("a response");
            }
            received(&servers[busy]) - before
        };
        assert_eq!(calls(&mut client, 20).await, expected, "{balance:?}");
        drop(stream);
        assert_eq!(calls(&mut client, 20).await, 10, "{balance:?}");
    }
}

/// Returns an address that neither accepts nor refuses connections, until the sockets are dropped.
fn hanging() -> (SocketAddr, (Socket, TcpStream)) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    socket.listen(0).expect("it is bound");
    let address = socket.local_addr().expect("it is bound").as_socket().expect("an IP address");
    // It fills the queue of connections to accept.
    let first = TcpStream::connect(address).expect("it listens");
    (address, (socket, first))
}

#[tokio::test]
async fn failures_of_other_addresses_are_shown_if_one_hangs_until_the_deadline() {
    let (hanging, _open) = hanging();
    let address = format!("{hanging},127.0.0.1:1");
    let timeout = Duration::from_millis(500);
    let channel = Channel::new(&Target { timeout, ..target(&address) });
    let cause = "no response within 500ms; 127.0.0.1:1: Connection refused (os error 111)";
    let failure = channel.connected().await.expect_err("no connection");
    assert_eq!(failure.to_string(), format!("cannot connect to {address}: {cause}"));
    assert!(matches!(failure, Failure::Connect { .. }));
    let call = Client::new(channel).unary(Request::new("unary".to_owned())).await;
    let status = call.expect_err("no connection");
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, cause));
}
