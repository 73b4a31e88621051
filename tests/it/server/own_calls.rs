//! Calls of health and reflection: their deadlines, and the limits of their messages.

use bytes::Bytes;
use tonic::Code;

use crate::support::{
    in_process::InProcess,
    wire::{Caller, message, read, text},
};

pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";
pub(crate) const WATCH: &str = "/grpc.health.v1.Health/Watch";
pub(crate) const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
pub(crate) const REFLECTION_ALPHA: &str =
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

/// The first bytes of a message that never ends.
pub(crate) const HALF_A_MESSAGE: &[u8] = &[0, 0, 0, 0, 9, 0x0a];

#[tokio::test]
async fn the_callers_deadline_ends_calls_of_health_and_reflection() {
    let server = InProcess::start(&[]).await;
    let mut caller = Caller::connect(&server.address).await;
    let whole = message(false, &[]);
    let half = Bytes::from_static(HALF_A_MESSAGE);
    for (path, sent, is_end) in [
        (CHECK, &half, false),
        (WATCH, &half, false),
        (WATCH, &whole, true),
        (REFLECTION, &half, false),
        (REFLECTION, &Bytes::new(), false),
        (REFLECTION_ALPHA, &Bytes::new(), false),
    ] {
        let (response, mut stream) = caller.begin_at(path, &[("grpc-timeout", "100m")]).await;
        stream.send_data(sent.clone(), is_end).expect("sent");
        assert_eq!(read(response).await.code(), Code::DeadlineExceeded, "{path} {sent:?}");
    }
}

#[tokio::test]
async fn a_check_has_the_default_deadline_and_so_has_the_message_of_a_watch() {
    let server = InProcess::start(&[("deadline.default", "100ms")]).await;
    let mut caller = Caller::connect(&server.address).await;
    for path in [CHECK, WATCH] {
        let (response, mut stream) = caller.begin_at(path, &[]).await;
        stream.send_data(Bytes::from_static(HALF_A_MESSAGE), false).expect("sent");
        assert_eq!(read(response).await.code(), Code::DeadlineExceeded, "{path}");
    }
}

#[tokio::test]
async fn messages_of_health_and_reflection_have_limits_of_their_own() {
    let server = InProcess::start(&[]).await;
    let mut caller = Caller::connect(&server.address).await;
    // The name has a key of one byte and a length of two.
    let name = |size: usize| text(&"x".repeat(size - 3));
    for (path, limit, at_the_limit) in [
        (CHECK, 1024, Code::NotFound),
        (REFLECTION, 16 * 1024, Code::Ok),
        (REFLECTION_ALPHA, 16 * 1024, Code::Ok),
    ] {
        let mut code =
            async |headers: &[(&str, &str)], sent| caller.call_at(path, headers, sent).await.code();
        assert_eq!(name(limit).len(), limit);
        assert_eq!(code(&[], message(false, &name(limit))).await, at_the_limit, "{path}");
        let larger = message(false, &name(limit + 1));
        assert_eq!(code(&[], larger).await, Code::ResourceExhausted, "{path}");
        // The prefix has the length, so the message is refused before the rest arrives.
        let announced = Bytes::from_static(&[0, 0, 0x40, 0, 1]);
        assert_eq!(code(&[], announced).await, Code::ResourceExhausted, "{path}");
        let small = zstd::encode_all(&name(limit + 1)[..], 3).expect("it is encoded");
        assert!(small.len() < 100);
        let inflated = code(&[("grpc-encoding", "zstd")], message(true, &small)).await;
        assert_eq!(inflated, Code::ResourceExhausted, "{path}");
    }
}
