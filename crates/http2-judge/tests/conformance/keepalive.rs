//! The keepalive of the server (RFC 9113, section 6.7, and a rule of ours).

use std::time::Duration;

use http2::Ended;

use crate::support::{Start, own_rule};

fn with_keepalive(server: Start) -> Start {
    server.with(|settings| {
        settings.keepalive_interval = Duration::from_secs(10);
        settings.keepalive_timeout = Duration::from_secs(5);
    })
}

#[test]
fn a_client_that_answers_each_ping_keeps_its_connection() {
    own_rule("an idle connection is checked", async |server| {
        let mut client = with_keepalive(server).open().await;
        for count in 1..10 {
            client.until("a PING", |state| state.own_pings.len() >= count).await;
        }
        client.alive().await;
    });
}

#[test]
fn a_client_that_answers_no_ping_loses_its_connection() {
    own_rule("a peer that is gone does not keep its connection", async |server| {
        let mut client = with_keepalive(server).open().await;
        client.state.ignores_pings = true;
        client.until("a PING", |state| !state.own_pings.is_empty()).await;
        client.until("the end", |state| state.is_closed).await;
        client.close().await;
        let ended = (&mut client.server.ended).await.expect("no panic");
        assert!(matches!(ended, Ended::Silent), "{ended:?}");
    });
}
