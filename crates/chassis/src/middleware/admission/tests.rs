//! What the handler gets of the message of a request, and what memory it counts for.

use std::{
    convert::Infallible,
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::Request;
use http_body_util::BodyExt;
use tonic::{Code, Status};
use tower::service_fn;

use super::Admission;
use crate::{
    body::Body,
    call::{Call, KnownHeaders, Peer, PeerAddress},
    http2::{Budget, MemoryKind, Share},
    inbound::Inbound,
    mount::Next,
    testing::{self, UNARY},
};

/// A request that reached the handler: its headers, its body, and the memory for messages then.
#[derive(Debug)]
struct Handled {
    headers: http::HeaderMap,
    body: Bytes,
    memory: usize,
}

/// Sends this request to a handler. Returns the code of the response, and what the handler got.
async fn handle(request: Request<Body>) -> (Code, Option<Handled>) {
    let budget = Budget::new(1 << 20);
    let share = Share::open(&budget, 0).expect("there is room");
    let address = PeerAddress::tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
    let peer = Arc::new(Peer::new(address, None, share));
    let method = testing::methods().find(UNARY).clone();
    let known = KnownHeaders::of(request.headers());
    let shared = testing::shared(1 << 20);
    let call = Arc::new(Call::begin(shared, method, UNARY, known, Some(peer), None));

    let handled = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&handled);
    let service = service_fn(move |request: Request<Body>| {
        let (seen, budget) = (Arc::clone(&seen), Arc::clone(&budget));
        async move {
            let memory = budget.used_for(MemoryKind::Messages);
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("it has arrived").to_bytes();
            *seen.lock().expect("no panic") = Some(Handled { headers: head.headers, body, memory });
            Ok::<_, Infallible>(Status::ok("").into_http::<Body>())
        }
    });
    let next = Next::new(Admission::new(service, None));
    let Ok(response) = next.respond(Box::new(Inbound { request, call })).await;
    let code = Status::from_header_map(response.headers()).expect("headers only").code();
    let handled = handled.lock().expect("no panic").take();
    (code, handled)
}

/// Returns a message with its prefix.
fn framed(flag: u8, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("it is short");
    [&[flag][..], &length.to_be_bytes(), message].concat().into()
}

#[tokio::test]
async fn a_message_at_work_counts_twice_because_the_handler_has_a_copy() {
    let message = framed(0, &[b'x'; 8192]);
    let request = testing::post(UNARY).body(Body::message(message.clone())).expect("a request");
    let (code, handled) = handle(request).await;
    let handled = handled.expect("it is handled");
    assert_eq!((code, handled.memory), (Code::Ok, 2 * message.len()));
    assert_eq!(handled.body, message);
}

#[tokio::test]
async fn the_handler_gets_a_compressed_message_without_compression_and_its_header() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"hello").expect("memory");
    let message = framed(1, &gzip.finish().expect("memory"));
    let request = testing::post(UNARY).header("grpc-encoding", "gzip");
    let request = request.body(Body::message(message)).expect("a request");
    let (code, handled) = handle(request).await;
    let handled = handled.expect("it is handled");
    assert_eq!((code, handled.body), (Code::Ok, framed(0, b"hello")));
    assert!(!handled.headers.contains_key("grpc-encoding"), "{:?}", handled.headers);
}

#[tokio::test]
async fn a_message_with_an_unknown_encoding_is_unimplemented() {
    let request = testing::post(UNARY).header("grpc-encoding", "br");
    let request = request.body(Body::message(framed(1, b"hello"))).expect("a request");
    let (code, handled) = handle(request).await;
    assert_eq!(code, Code::Unimplemented);
    assert!(handled.is_none(), "{handled:?}");
}
