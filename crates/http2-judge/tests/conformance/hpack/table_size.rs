//! Dynamic table size updates (RFC 7541, sections 4.2, 4.3 and 6.3).

use http2_judge::{
    frame::{CONTINUATION, END_HEADERS, END_STREAM, HEADERS, literal},
    hpack::encode::{indexed, insert, size_update},
};

use super::{expect_entry, undecodable, with};
use crate::support::rfc7541;

#[test]
fn an_update_up_to_the_limit_is_accepted() {
    rfc7541("6.3", async |server| {
        let mut client = server.open().await;
        for size in [4096, 0, 1, 30, 31, 32, 4095, 4096] {
            client.accepted(&[size_update(size), with(&[])].concat()).await;
        }
    });
}

#[test]
fn an_update_above_the_limit_cannot_be_decoded() {
    rfc7541("6.3", async |server| {
        for size in [4097, 65_536, 1 << 20] {
            let mut client = server.clone().open().await;
            client.request(1, &[size_update(size), with(&[])].concat()).await;
            client.compression_error().await;
        }
    });
}

#[test]
fn an_update_after_a_field_cannot_be_decoded() {
    rfc7541("4.2", async |server| {
        let late = [size_update(100), literal("x", "y")].concat();
        for more in [late, size_update(100), size_update(4096)] {
            let mut client = server.clone().open().await;
            undecodable(&mut client, &[more]).await;
        }
    });
}

#[test]
fn an_update_after_an_indexed_field_cannot_be_decoded() {
    rfc7541("4.2", async |server| {
        let mut client = server.open().await;
        client.request(1, &[&indexed(3)[..], &size_update(0), &[0x86, 0x84]].concat()).await;
        client.compression_error().await;
    });
}

#[test]
fn two_updates_at_the_start_are_accepted() {
    rfc7541("4.2", async |server| {
        let mut client = server.open().await;
        client.accepted(&with(&[insert("x-a", "1")])).await;
        let updates = [size_update(0), size_update(4096)].concat();
        client.accepted(&[updates, with(&[insert("x-b", "2")])].concat()).await;
        expect_entry(&mut client, 62, "x-b", "2").await;
        undecodable(&mut client, &[indexed(63)]).await;
    });
}

#[test]
fn three_updates_at_the_start_are_accepted_or_cannot_be_decoded() {
    rfc7541("4.2", async |server| {
        let mut client = server.open().await;
        let updates = [size_update(0), size_update(100), size_update(4096)].concat();
        client.request(1, &[updates, with(&[])].concat()).await;
        client.settle().await;
        if client.state.goaways.is_empty() {
            client.ok(1).await;
        } else {
            client.compression_error().await;
        }
    });
}

#[test]
fn an_update_to_0_empties_the_table() {
    rfc7541("4.3", async |server| {
        let mut client = server.open().await;
        client.accepted(&with(&[insert("x-a", "1")])).await;
        client.accepted(&[size_update(0), with(&[])].concat()).await;
        client.accepted(&[size_update(4096), with(&[])].concat()).await;
        undecodable(&mut client, &[indexed(62)]).await;
    });
}

#[test]
fn an_update_evicts_entries_that_have_no_room() {
    rfc7541("4.3", async |server| {
        let mut client = server.open().await;
        client.accepted(&with(&[insert("a", "1"), insert("b", "2"), insert("c", "3")])).await;
        client.accepted(&[size_update(3 * 34 - 1), with(&[indexed(63)])].concat()).await;
        client.accepted(&[size_update(4096), with(&[])].concat()).await;
        expect_entry(&mut client, 62, "c", "3").await;
        expect_entry(&mut client, 63, "b", "2").await;
        undecodable(&mut client, &[indexed(64)]).await;
    });
}

#[test]
fn an_update_that_leaves_room_evicts_nothing() {
    rfc7541("4.3", async |server| {
        let mut client = server.open().await;
        client.accepted(&with(&[insert("a", "1"), insert("b", "2")])).await;
        client.accepted(&[size_update(2 * 34), with(&[])].concat()).await;
        expect_entry(&mut client, 63, "a", "1").await;
    });
}

#[test]
fn a_size_holds_until_the_next_update() {
    rfc7541("4.2", async |server| {
        let mut client = server.open().await;
        client.accepted(&[size_update(40), with(&[])].concat()).await;
        client.accepted(&with(&[insert("a", "1")])).await;
        client.accepted(&with(&[insert("b", "2")])).await;
        expect_entry(&mut client, 62, "b", "2").await;
        undecodable(&mut client, &[indexed(63)]).await;
    });
}

#[test]
fn an_update_at_the_start_of_trailers_is_accepted() {
    rfc7541("4.2", async |server| {
        let mut client = server.open().await;
        client.headers(1, &with(&[insert("a", "1")])).await;
        client.request(1, &[size_update(0), literal("x", "y")].concat()).await;
        client.ok(1).await;
        undecodable(&mut client, &[indexed(62)]).await;
    });
}

#[test]
fn a_block_of_nothing_but_an_update_is_accepted_as_trailers() {
    rfc7541("4.2", async |server| {
        let mut client = server.open().await;
        client.headers(1, &with(&[insert("a", "1")])).await;
        client.request(1, &size_update(0)).await;
        client.ok(1).await;
        undecodable(&mut client, &[indexed(62)]).await;
    });
}

#[test]
fn an_update_may_be_split_over_frames() {
    rfc7541("6.3", async |server| {
        let mut client = server.open().await;
        let block = [size_update(1337), with(&[])].concat();
        client.send(HEADERS, END_STREAM, 1, &block[..1]).await;
        client.send(CONTINUATION, 0, 1, &block[1..2]).await;
        client.send(CONTINUATION, END_HEADERS, 1, &block[2..]).await;
        client.ok(1).await;
    });
}

#[test]
fn an_update_at_the_start_of_a_continuation_after_a_field_cannot_be_decoded() {
    rfc7541("4.2", async |server| {
        let mut client = server.open().await;
        client.send(HEADERS, END_STREAM, 1, &[0x83]).await;
        client
            .send(CONTINUATION, END_HEADERS, 1, &[&size_update(0)[..], &[0x86, 0x84]].concat())
            .await;
        client.compression_error().await;
    });
}
