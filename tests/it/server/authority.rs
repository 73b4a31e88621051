//! The server does not use `:authority`, so no value of it fails a call.

use crate::support::{
    http2::{DATA, END_HEADERS, END_STREAM, HEADERS, Peer, frame, post},
    process::ServerProcess,
};

/// Values that clients send.
const AUTHORITIES: [Option<&str>; 12] = [
    None,
    Some(""),
    Some("test"),
    Some("127.0.0.1:1"),
    Some("[::1]:9999"),
    // grpcio and Ruby, for a target such as `ipv4:127.0.0.1:1,127.0.0.2:2`.
    Some("127.0.0.1:1,127.0.0.2:2"),
    Some("[::1]:1,[::1]:2"),
    // grpc-go, for targets of its resolvers.
    Some("my-service?tag=x"),
    Some("user@host:port/path#fragment"),
    // Unix sockets.
    Some("%2Frun%2Fsock"),
    Some("/run/x.sock"),
    Some("a b"),
];

#[tokio::test]
async fn no_authority_fails_a_call_or_a_health_check() {
    let health_address = ("SAMPLE__SERVER__HEALTH_ADDRESS", "127.0.0.1:0");
    let server = ServerProcess::with(&[health_address], &["--work", "1ms"]);
    for (address, path) in [
        (&server.address, "/SampleService/Call"),
        (&server.address, "/grpc.health.v1.Health/Check"),
        (&server.health_address, "/grpc.health.v1.Health/Check"),
    ] {
        let mut peer = Peer::handshake(address).await;
        for (call, authority) in AUTHORITIES.into_iter().enumerate() {
            let stream = u32::try_from(2 * call + 1).expect("it is small");
            let mut fields = vec![(":path", path)];
            fields.extend(authority.map(|authority| (":authority", authority)));
            fields.extend([("content-type", "application/grpc"), ("te", "trailers")]);
            peer.send(&frame(HEADERS, END_HEADERS, stream, &post(&fields))).await;
            peer.send(&frame(DATA, END_STREAM, stream, &[0; 5])).await;
            let head = peer.next(HEADERS).await.expect("no error of the connection");
            assert_eq!((head.stream, head.flags & END_STREAM), (stream, 0), "{authority:?}");
            // Only a successful response has a DATA frame.
            let data = peer.next(DATA).await.expect("a message");
            assert_eq!(data.stream, stream, "{address} {path} {authority:?}");
            let trailers = peer.next(HEADERS).await.expect("trailers");
            assert_ne!(trailers.flags & END_STREAM, 0);
        }
    }
}
