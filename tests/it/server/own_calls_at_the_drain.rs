//! Calls of health and reflection that are open when the server drains.

use std::time::Duration;

use bytes::Bytes;
use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::Code;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

use super::own_calls::{CHECK, HALF_A_MESSAGE, REFLECTION, WATCH};
use crate::support::{
    http2::{
        ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, Peer, SETTINGS, frame,
        grpc_headers,
    },
    in_process::connect,
    process::{ServerProcess, report},
    wire::{Caller, message, read},
};

/// Far more than a test can take: no test waits for the bound.
const DRAIN: (&str, &str) = ("SAMPLE__SHUTDOWN__DRAIN", "1h");

#[tokio::test(flavor = "multi_thread")]
async fn an_open_reflection_stream_gets_its_responses_and_ends() {
    let server = ServerProcess::with(&[DRAIN], &[]);
    let mut client = ServerReflectionClient::new(connect(&server.address).await);
    let (requests, stream) = mpsc::channel(1);
    let list = MessageRequest::ListServices(String::new());
    let request = ServerReflectionRequest { message_request: Some(list), ..Default::default() };
    requests.send(request).await.expect("there is room");
    let responses = client.server_reflection_info(ReceiverStream::new(stream)).await;
    let mut responses = responses.expect("a stream").into_inner();
    responses.next().await.expect("a response").expect("no error");

    server.process.signal(Signal::TERM);
    assert!(responses.next().await.is_none());
    let (status, lines) = server.process.wait();
    let report = report(&lines);
    assert_eq!([&report["in_flight"], &report["finished"], &report["cut"]], [1, 1, 0]);
    assert_eq!(status.code(), Some(0));
    drop(requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_whose_message_never_ends_end_with_a_status() {
    let server = ServerProcess::with(&[DRAIN], &[]);
    let mut caller = Caller::connect(&server.address).await;
    let mut open = Vec::new();
    for path in [CHECK, WATCH, REFLECTION] {
        let (response, mut stream) = caller.begin_at(path, &[]).await;
        stream.send_data(Bytes::from_static(HALF_A_MESSAGE), false).expect("sent");
        open.push((path, response, stream));
    }
    // The response to a later call shows that the server has read the earlier ones.
    assert_eq!(caller.call_at(CHECK, &[], message(false, &[])).await.code(), Code::Ok);

    server.process.signal(Signal::TERM);
    for (path, response, _stream) in open {
        let expected = if path == REFLECTION { Code::Ok } else { Code::Unavailable };
        assert_eq!(read(response).await.code(), expected, "{path}");
    }
    let (status, lines) = server.process.wait();
    let report = report(&lines);
    assert_eq!([&report["in_flight"], &report["finished"], &report["cut"]], [3, 3, 0]);
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_whose_client_does_not_read_end_with_a_status() {
    let server = ServerProcess::with(&[DRAIN], &[]);
    let mut peer = Peer::connect(&server.address).await;
    // There is no flow control window for any response.
    peer.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])].concat()).await;
    for (stream, path) in [(1, WATCH), (3, REFLECTION)] {
        peer.send(&frame(HEADERS, END_HEADERS, stream, &grpc_headers(path))).await;
        // A stream of reflection ends with its requests, so this one stays open.
        let flags = if path == WATCH { END_STREAM } else { 0 };
        let list = message(false, &[0x3a, 0]);
        let sent = if path == WATCH { message(false, &[]) } else { list };
        peer.send(&frame(DATA, flags, stream, &sent)).await;
        assert_eq!(peer.next(HEADERS).await.expect("a head").stream, stream);
    }
    server.process.signal(Signal::TERM);
    let mut ended = Vec::new();
    while let Some(frame_read) = peer.frame().await {
        match frame_read.kind {
            PING => peer.send(&frame(PING, ACK, 0, &frame_read.payload)).await,
            HEADERS if frame_read.flags & END_STREAM != 0 => ended.push(frame_read.stream),
            _ => {}
        }
    }
    ended.sort_unstable();
    assert_eq!(ended, [1, 3]);
    drop(peer);
    let (status, lines) = server.process.wait();
    let report = report(&lines);
    assert_eq!([&report["in_flight"], &report["finished"], &report["cut"]], [2, 2, 0]);
    assert_eq!(status.code(), Some(0));
}

/// A health check that is on its way when the drain begins gets its response.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_whose_message_arrives_in_the_drain_has_its_response() {
    let settings = [DRAIN, ("SAMPLE__SERVER__HEALTH_ADDRESS", "127.0.0.1:0")];
    let server = ServerProcess::with(&settings, &["--work", "1h"]);
    let mut busy = Caller::connect(&server.address).await;
    let (_response, mut stream) = busy.begin(&[]).await;
    stream.send_data(message(false, &[]), true).expect("sent");
    let mut caller = Caller::connect(&server.health_address).await;
    let (response, mut stream) = caller.begin_at(CHECK, &[]).await;
    stream.send_data(Bytes::from_static(&[0, 0]), false).expect("sent");
    for caller in [&mut busy, &mut caller] {
        // The response to a later call shows that the server has read the earlier ones.
        assert_eq!(caller.call_at(CHECK, &[], message(false, &[])).await.code(), Code::Ok);
    }
    server.process.signal(Signal::TERM);
    server.wait_for_event("draining");
    // On the port of calls, such a call would end a second after the drain has begun. On the health
    // address it does not.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stream.send_data(Bytes::from_static(&[0, 0, 0]), true).expect("sent");
    assert_eq!(read(response).await.code(), Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_on_the_address_of_health_holds_up_the_exit() {
    let settings = [DRAIN, ("SAMPLE__SERVER__HEALTH_ADDRESS", "127.0.0.1:0")];
    let server = ServerProcess::with(&settings, &[]);
    let mut caller = Caller::connect(&server.health_address).await;
    let mut open = Vec::new();
    for (path, sent) in
        [(CHECK, HALF_A_MESSAGE), (WATCH, HALF_A_MESSAGE), (WATCH, &[0, 0, 0, 0, 0])]
    {
        let (response, mut stream) = caller.begin_at(path, &[]).await;
        stream.send_data(Bytes::from_static(sent), false).expect("sent");
        open.push((response, stream));
    }
    assert_eq!(caller.call_at(CHECK, &[], message(false, &[])).await.code(), Code::Ok);
    let mut silent = Peer::handshake(&server.health_address).await;
    assert!(silent.next(SETTINGS).await.is_some());
    server.process.signal(Signal::TERM);
    let (status, lines) = server.process.wait();
    assert_eq!(report(&lines)["in_flight"], 0);
    assert_eq!(status.code(), Some(0));
}
