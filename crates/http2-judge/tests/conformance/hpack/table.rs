//! The dynamic table (RFC 7541, sections 2.3.2 and 4).

use http2_judge::{
    frame::{END_HEADERS, END_STREAM, HEADERS, RST_STREAM, post},
    hpack::encode::{indexed, insert, insert_at, size_update},
};

use super::{expect_entry, undecodable, with};
use crate::support::{CANCEL, Client, rfc7541};

/// Sends a request that sets the size of the table.
async fn resize(client: &mut Client, size: usize) {
    client.accepted(&[size_update(size), with(&[])].concat()).await;
}

#[test]
fn all_streams_share_one_table() {
    rfc7541("2.2", async |server| {
        let mut client = server.open().await;
        client.headers(1, &with(&[insert("x-a", "1")])).await;
        client.headers(3, &with(&[insert("x-b", "2"), indexed(63)])).await;
        client.request(1, &indexed(62)).await;
        client.end(3, b"").await;
        client.ok(1).await;
        client.ok(3).await;
        let calls = client.calls.all();
        assert_eq!(calls[0].trailers.as_ref().expect("trailers")["x-b"], "2");
        assert_eq!(calls[1].values("x-a"), [b"1"]);
    });
}

#[test]
fn an_entry_stays_when_its_stream_is_reset() {
    rfc7541("2.2", async |server| {
        let mut client = server.open().await;
        client.headers(1, &with(&[insert("x-a", "1")])).await;
        client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
        expect_entry(&mut client, 62, "x-a", "1").await;
    });
}

#[test]
fn an_entry_stays_when_its_request_is_malformed() {
    rfc7541("2.2", async |server| {
        let mut client = server.open().await;
        let before = insert("x-a", "1");
        let after = insert("x-b", "2");
        let bad = http2_judge::frame::literal("connection", "close");
        client.malformed(&with(&[before, bad, after])).await;
        expect_entry(&mut client, 62, "x-b", "2").await;
        expect_entry(&mut client, 63, "x-a", "1").await;
    });
}

#[test]
fn a_field_may_be_added_twice() {
    rfc7541("2.3.2", async |server| {
        let mut client = server.open().await;
        client.accepted(&with(&[insert("x-a", "1"), insert("x-b", "2"), insert("x-a", "1")])).await;
        expect_entry(&mut client, 62, "x-a", "1").await;
        expect_entry(&mut client, 63, "x-b", "2").await;
        expect_entry(&mut client, 64, "x-a", "1").await;
        undecodable(&mut client, &[indexed(65)]).await;
    });
}

#[test]
fn entries_that_fill_the_table_exactly_stay() {
    rfc7541("4.1", async |server| {
        let mut client = server.open().await;
        resize(&mut client, 2 * (32 + 2)).await;
        client.accepted(&with(&[insert("a", "1"), insert("b", "2")])).await;
        expect_entry(&mut client, 62, "b", "2").await;
        expect_entry(&mut client, 63, "a", "1").await;
        undecodable(&mut client, &[indexed(64)]).await;
    });
}

#[test]
fn an_entry_is_evicted_for_one_byte_over_the_size() {
    rfc7541("4.4", async |server| {
        let mut client = server.clone().open().await;
        resize(&mut client, 2 * (32 + 2) - 1).await;
        client.accepted(&with(&[insert("a", "1"), insert("b", "2")])).await;
        expect_entry(&mut client, 62, "b", "2").await;
        undecodable(&mut client, &[indexed(63)]).await;

        let mut client = server.open().await;
        resize(&mut client, 2 * (32 + 2)).await;
        client.accepted(&with(&[insert("a", "1"), insert("b", "22")])).await;
        expect_entry(&mut client, 62, "b", "22").await;
        undecodable(&mut client, &[indexed(63)]).await;
    });
}

#[test]
fn the_size_of_an_entry_is_that_of_its_decoded_strings() {
    rfc7541("4.1", async |server| {
        use http2_judge::hpack::encode::huffman;
        let mut client = server.open().await;
        resize(&mut client, 2 * (32 + 10)).await;
        let field = [vec![0x40], huffman("aaaaa"), huffman("aaaaa")].concat();
        client.accepted(&with(&[field.clone(), field.clone()])).await;
        expect_entry(&mut client, 63, "aaaaa", "aaaaa").await;
        client.accepted(&with(&[insert("x", "1")])).await;
        expect_entry(&mut client, 63, "aaaaa", "aaaaa").await;
        undecodable(&mut client, &[indexed(64)]).await;
    });
}

#[test]
fn the_table_has_4096_bytes_at_first() {
    rfc7541("4.2", async |server| {
        let mut client = server.open().await;
        // 64 entries of 64 bytes.
        let entry =
            |number: usize| insert(format!("x-name-{}", number % 10), format!("{number:024}"));
        let entries: Vec<Vec<u8>> = (0..64).map(entry).collect();
        client.accepted(&with(&entries)).await;
        expect_entry(&mut client, 125, "x-name-0", &format!("{:024}", 0)).await;
        client.accepted(&with(&[entry(64)])).await;
        expect_entry(&mut client, 125, "x-name-1", &format!("{:024}", 1)).await;
        undecodable(&mut client, &[indexed(126)]).await;
    });
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    rfc7541("4.4", async |server| {
        let mut client = server.open().await;
        client.accepted(&with(&[insert("x-a", "1"), insert("x-b", "2")])).await;
        let value = "v".repeat(4096);
        let call = client.accepted(&with(&[insert("x-large", &value)])).await;
        assert_eq!(call.values("x-large"), [value.as_bytes()]);
        client.accepted(&with(&[insert("x-c", "3")])).await;
        expect_entry(&mut client, 62, "x-c", "3").await;
        undecodable(&mut client, &[indexed(63)]).await;
    });
}

#[test]
fn an_entry_as_large_as_the_table_is_added() {
    rfc7541("4.4", async |server| {
        let mut client = server.open().await;
        let value = "v".repeat(4096 - 32 - 1);
        client.accepted(&with(&[insert("x-a", "1"), insert("x", &value)])).await;
        expect_entry(&mut client, 62, "x", &value).await;
        undecodable(&mut client, &[indexed(63)]).await;
    });
}

#[test]
fn a_new_entry_may_have_the_name_of_the_one_that_it_evicts() {
    rfc7541("4.4", async |server| {
        let mut client = server.open().await;
        resize(&mut client, 40).await;
        client.accepted(&with(&[insert("name", "1")])).await;
        let call = client.accepted(&with(&[insert_at(62, "2")])).await;
        assert_eq!(call.values("name"), [b"2"]);
        expect_entry(&mut client, 62, "name", "2").await;
        // This field is too large to be added, but evicts the entry nevertheless.
        let call = client.accepted(&with(&[insert_at(62, "value")])).await;
        assert_eq!(call.values("name"), [b"value"]);
        undecodable(&mut client, &[indexed(62)]).await;
    });
}

#[test]
fn a_name_that_was_evicted_within_the_block_cannot_be_decoded() {
    rfc7541("4.4", async |server| {
        let mut client = server.open().await;
        resize(&mut client, 40).await;
        undecodable(&mut client, &[insert("a", "1"), insert("b", "2"), insert_at(63, "3")]).await;
    });
}

#[test]
fn a_table_of_size_0_takes_no_entry() {
    rfc7541("4.4", async |server| {
        let mut client = server.open().await;
        resize(&mut client, 0).await;
        let call = client.accepted(&with(&[insert("x-a", "1")])).await;
        assert_eq!(call.values("x-a"), [b"1"]);
        undecodable(&mut client, &[indexed(62)]).await;
    });
}

#[test]
fn thousands_of_entries_are_evicted_in_their_order() {
    rfc7541("4.4", async |server| {
        let mut client = server.open().await;
        for round in 0..50 {
            let entry = |number: usize| insert("name", (round * 100 + number).to_string());
            let entries: Vec<Vec<u8>> = (0..100).map(entry).collect();
            let id = client.fresh();
            let block = with(&entries);
            client.send(HEADERS, END_HEADERS | END_STREAM, id, &block).await;
            client.ok(id).await;
            expect_entry(&mut client, 62, "name", &(round * 100 + 99).to_string()).await;
            expect_entry(&mut client, 161, "name", &(round * 100).to_string()).await;
        }
        client.accepted(&post("/", &[])).await;
    });
}
