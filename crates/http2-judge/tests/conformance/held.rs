//! The memory that a connection holds for its client is counted (a rule of ours).

use std::{future::pending, time::Duration};

use http::Response;
use http_body_util::BodyExt;
use http2::{Budget, MemoryKind};
use http2_judge::{body::Outgoing, frame::RST_STREAM, server::no_limit};
use tokio::time::sleep;

use crate::support::{CANCEL, INITIAL_WINDOW_SIZE, own_rule};

const RULE: &str = "the memory of a connection is counted";

fn numbers(budget: &Budget) -> [usize; 3] {
    [MemoryKind::Heads, MemoryKind::Bodies, MemoryKind::Responses].map(|kind| budget.used_for(kind))
}

#[test]
fn heads_and_bodies_are_counted_until_the_call_is_over() {
    own_rule(RULE, async |server| {
        let budget = no_limit();
        let server = server.within(&budget);
        let mut client = server.open().await;
        client.calls.respond(|request| async {
            sleep(Duration::from_secs(1)).await;
            let _body = request.into_body().collect().await;
            Response::new(Outgoing::complete("ok", None))
        });
        client.post(1).await;
        client.data(1, &[7; 1000]).await;
        client.settle().await;
        let [heads, bodies, _] = numbers(&budget);
        assert!(heads > 0, "no head is counted");
        // A buffer that grows has up to twice its bytes.
        assert_eq!(bodies, 2000);
        client.end(1, b"").await;
        client.ok(1).await;
        client.settle().await;
        assert_eq!(numbers(&budget), [0; 3]);
    });
}

#[test]
fn a_response_that_waits_for_a_window_stays_in_its_call() {
    own_rule(RULE, async |server| {
        let budget = no_limit();
        let server = server.within(&budget);
        let mut client = server.open_with(&[(INITIAL_WINDOW_SIZE, 1000)]).await;
        client
            .calls
            .respond(|_| async { Response::new(Outgoing::complete(vec![7; 10_000], None)) });
        client.get(1).await;
        client.settle().await;
        let [heads, _, responses] = numbers(&budget);
        assert_eq!((heads > 0, responses), (true, 0), "(the call goes on, responses)");
        client.window_update(1, 9000).await;
        assert_eq!(client.response(1).await.data.len(), 10_000);
        client.settle().await;
        assert_eq!(numbers(&budget), [0; 3]);
    });
}

#[test]
fn a_reset_and_the_end_of_the_connection_leave_nothing() {
    own_rule(RULE, async |server| {
        let budget = no_limit();
        let server = server.within(&budget);
        let mut client = server.open().await;
        client.calls.respond(|request| async {
            let _kept = request;
            pending().await
        });
        for id in [1, 3] {
            client.post(id).await;
            client.data(id, &[7; 1000]).await;
        }
        client.settle().await;
        assert_eq!(budget.used_for(MemoryKind::Bodies), 4000);
        client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
        client.settle().await;
        client.ping().await;
        assert_eq!(budget.used_for(MemoryKind::Bodies), 2000);
        client.close().await;
        client.settle().await;
        assert_eq!(numbers(&budget), [0; 3]);
    });
}

#[test]
fn a_reset_of_a_call_that_does_not_read_is_counted_at_once() {
    own_rule(RULE, async |server| {
        let budget = no_limit();
        let server = server.within(&budget);
        let mut client = server.open().await;
        client.calls.respond(|request| async {
            let _kept = request;
            pending().await
        });
        client.post(1).await;
        client.data(1, &[7; 1000]).await;
        client.settle().await;
        assert_eq!(budget.used_for(MemoryKind::Bodies), 2000);
        client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
        client.settle().await;
        assert_eq!(budget.used_for(MemoryKind::Bodies), 0);
    });
}
