//! The memory budget (a rule of ours).

use std::{future::pending, time::Duration};

use http::{Response, StatusCode};
use http_body_util::BodyExt;
use http2::{Budget, MemoryKind, Share};
use http2_judge::{
    body::Outgoing,
    frame::{PING, PREFACE, SETTINGS, frame},
    server::no_limit,
};
use tokio::{
    io::AsyncWriteExt,
    time::{sleep, timeout},
};

use crate::support::{ENHANCE_YOUR_CALM, fields, own_rule};

const RULE: &str = "the memory of all connections together is limited";

const MIB: usize = 1 << 20;

fn no_memory() -> Option<Response<()>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    Some(response)
}

#[test]
fn a_request_for_which_there_is_no_memory_is_refused() {
    own_rule(RULE, async |server| {
        let budget = Budget::new(MIB);
        let server = server.within(&budget).with(|settings| settings.refuse = |_| no_memory());
        let mut client = server.open().await;
        client.calls.respond(|_| async {
            sleep(Duration::from_secs(1)).await;
            Response::new(Outgoing::complete("ok", None))
        });
        for id in (1..399).step_by(2) {
            client.get(id).await;
        }
        let (mut served, mut refused) = (0, 0);
        for id in (1..399).step_by(2) {
            match client.response(id).await.status {
                200 => served += 1,
                503 => refused += 1,
                status => panic!("status {status}"),
            }
        }
        assert!(served >= 20 && refused >= 20, "{served} are served, {refused} are refused");
        assert_eq!(budget.refused(MemoryKind::Heads), refused);
        client.settle().await;
        assert_eq!(budget.used_for(MemoryKind::Heads), 0);
        client.get(401).await;
        client.ok(401).await;
    });
}

#[test]
fn a_request_that_must_be_served_is_served_without_memory() {
    own_rule(RULE, async |server| {
        let budget = Budget::new(MIB);
        let server = server.within(&budget).with(|settings| {
            settings.refuse = |request| match request.uri().path() {
                "/health" => None,
                _ => no_memory(),
            };
        });
        let mut client = server.open().await;
        client.calls.respond(|_| pending());
        for id in (1..201).step_by(2) {
            client.get(id).await;
        }
        client.settle().await;
        assert!(budget.refused(MemoryKind::Heads) > 0, "there is memory left");
        client.calls.respond(|_| async { Response::new(Outgoing::complete("ok", None)) });
        client
            .accepted(&fields(&[(":method", "GET"), (":scheme", "http"), (":path", "/health")]))
            .await;
    });
}

#[test]
fn a_body_for_which_there_is_no_memory_breaks_off_and_other_bodies_go_on() {
    own_rule(RULE, async |server| {
        let budget = Budget::new(MIB);
        let mut client = server.within(&budget).open().await;
        // The handlers read nothing until the bodies have arrived.
        client.calls.respond(|request| async {
            sleep(Duration::from_secs(1)).await;
            let body = request.into_body().collect().await;
            let text = body.map_or_else(|error| error.to_string(), |_| "ok".to_owned());
            Response::new(Outgoing::complete(text, None))
        });
        for id in [1, 3, 5] {
            client.post(id).await;
            client.upload(id, 200_000, 10_000, None).await;
            client.end(id, b"").await;
        }
        let mut texts = Vec::new();
        for id in [1, 3, 5] {
            texts.push(String::from_utf8(client.response(id).await.data).expect("text"));
        }
        assert_eq!(texts, ["ok", "ok", "the memory budget is used up"]);
        client.settle().await;
        assert_eq!(budget.used_for(MemoryKind::Bodies), 0);
        assert!(budget.refused(MemoryKind::Bodies) > 0);
        // The connection goes on.
        client.get(7).await;
        client.ok(7).await;
    });
}

#[test]
fn a_body_that_arrives_before_the_handler_is_called_breaks_off_too() {
    own_rule(RULE, async |server| {
        let budget = Budget::new(MIB);
        let mut client = server.within(&budget).open().await;
        client.calls.respond(|request| async {
            let body = request.into_body().collect().await;
            let text = body.map_or_else(|error| error.to_string(), |_| "ok".to_owned());
            Response::new(Outgoing::complete(text, None))
        });
        let other = Share::open(&budget, 0).expect("there is room");
        let _held =
            other.reserve(MemoryKind::Messages, MIB * 7 / 8 - 20_000).expect("there is room");
        // Without a pause, so that the server takes all frames before it calls the handler.
        client.post(1).await;
        for _ in 0..4 {
            client.data(1, &[7; 15_000]).await;
        }
        assert_eq!(client.response(1).await.data, b"the memory budget is used up");
    });
}

#[test]
fn the_connection_that_holds_the_most_ends_if_there_is_nothing_to_refuse() {
    own_rule(RULE, async |server| {
        let budget = Budget::new(MIB);
        // Every request is served, whether or not there is memory.
        let mut client = server.clone().within(&budget).open().await;
        let mut other = server.within(&budget).open().await;
        other.calls.respond(|_| pending());
        other.get(1).await;
        client.calls.respond(|_| pending());
        for id in (1..301).step_by(2) {
            client.get(id).await;
        }
        client.connection_error(&[ENHANCE_YOUR_CALM]).await;
        client.settle().await;
        other.calls.respond(|_| async { Response::new(Outgoing::complete("ok", None)) });
        other.alive().await;
        assert!(budget.used() < MIB / 2, "{} bytes are held", budget.used());
    });
}

#[test]
fn a_window_that_is_used_up_grows_while_there_is_memory() {
    own_rule(RULE, async |server| {
        let server = server.with(|settings| settings.window = 65_535);
        for (budget, expected) in [(no_limit(), MIB), (Budget::new(MIB), 65_535)] {
            let mut client = server.clone().within(&budget).open().await;
            let other = Share::open(&budget, 0).expect("there is room");
            let half = budget.limit() / 2;
            let _held = (expected < MIB)
                .then(|| other.reserve(MemoryKind::Messages, half).expect("there is room"));
            client.post(1).await;
            client.upload(1, 4 * MIB, 10_000, None).await;
            client.end(1, b"").await;
            client.ok(1).await;
            client.settle().await;
            let room = client.state.connection_room();
            // The server gives a part of the window back later.
            let range = expected as i64 / 2..=expected as i64;
            assert!(range.contains(&room), "the window has {room} bytes, not {expected}");
        }
    });
}

#[test]
fn a_peer_that_sends_but_reads_nothing_loses_its_connection() {
    own_rule("a peer that reads nothing for too long loses its connection", async |server| {
        let (server, mut io) =
            server.with(|settings| settings.stalled = Duration::from_secs(30)).connect_raw();
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frame(SETTINGS, 0, 0, &[]));
        io.write_all(&bytes).await.expect("it is open");
        let ping = frame(PING, 0, 0, &[7; 8]);
        // The pipe and the server's output take the first acknowledgements.
        let mut seconds = 0;
        while !server.ended.is_finished() {
            assert!(seconds < 600, "the connection does not end");
            for _ in 0..500 {
                let write = io.write_all(&ping);
                let _full = timeout(Duration::from_millis(1), write).await;
            }
            sleep(Duration::from_millis(500)).await;
            seconds += 1;
        }
        assert!(seconds > 25, "the connection ended after {seconds} seconds");
    });
}

#[test]
fn a_budget_is_shared_by_connections_and_empty_after_them() {
    own_rule("the memory of a connection is counted", async |server| {
        let budget = no_limit();
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = server.clone().within(&budget).open().await;
            client.calls.respond(|_| pending());
            client.post(1).await;
            client.data(1, &[7; 10_000]).await;
            client.settle().await;
            clients.push(client);
        }
        let heads = budget.used_for(MemoryKind::Heads);
        assert!(heads >= 3 * 8192, "{heads}");
        for mut client in clients {
            client.close().await;
            client.settle().await;
        }
        assert_eq!(budget.used(), 0);
    });
}
