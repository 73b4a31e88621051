//! Indexes (RFC 7541, sections 2.3.3 and 6.1).

use http2_judge::hpack::{
    STATIC_TABLE,
    encode::{indexed, insert, insert_at, literal_at, never_at},
};

use super::{expect_entry, undecodable, with};
use crate::support::rfc7541;

/// The literals whose name is an index.
const NAMED: [fn(usize, &'static str) -> Vec<u8>; 3] = [literal_at, never_at, insert_at];

#[test]
fn every_regular_field_of_the_static_table_is_decoded() {
    rfc7541("A", async |server| {
        let mut client = server.open().await;
        let fields = STATIC_TABLE.iter().zip(1..).skip(14);
        // An empty content-length is no number, and HTTP/2 forbids transfer-encoding.
        let fields =
            fields.filter(|((name, _), _)| !["content-length", "transfer-encoding"].contains(name));
        for ((name, value), index) in fields {
            expect_entry(&mut client, index, name, value).await;
        }
    });
}

#[test]
fn every_regular_name_of_the_static_table_is_decoded() {
    rfc7541("A", async |server| {
        let mut client = server.open().await;
        let fields = STATIC_TABLE.iter().zip(1..).skip(14);
        for ((name, _), index) in fields.filter(|((name, _), _)| *name != "transfer-encoding") {
            let value = if *name == "content-length" { "0" } else { "value" };
            for field in NAMED {
                let call = client.accepted(&with(&[field(index, value)])).await;
                assert_eq!(call.values(name), [value.as_bytes()]);
            }
        }
    });
}

#[test]
fn the_pseudo_fields_of_the_static_table_are_decoded() {
    rfc7541("A", async |server| {
        let mut client = server.open().await;
        for (block, method, path) in [
            ([0x82, 0x84, 0x86, 0x81], "GET", "/"),
            ([0x83, 0x85, 0x87, 0x81], "POST", "/index.html"),
        ] {
            // Without the last index: its authority is empty, which not every layer accepts.
            let call = client.accepted(&block[..3]).await;
            assert_eq!((call.method.as_str(), call.uri.path()), (method, path));
        }
    });
}

#[test]
fn a_status_of_the_static_table_is_malformed_in_a_request() {
    rfc7541("A", async |server| {
        let mut client = server.open().await;
        for index in 8..=14 {
            client.malformed(&[indexed(index), with(&[])].concat()).await;
        }
    });
}

#[test]
fn index_0_cannot_be_decoded() {
    rfc7541("6.1", async |server| {
        let mut client = server.open().await;
        undecodable(&mut client, &[indexed(0)]).await;
    });
}

#[test]
fn the_first_index_after_the_static_table_needs_an_entry() {
    rfc7541("2.3.3", async |server| {
        let mut client = server.open().await;
        expect_entry(&mut client, 61, "www-authenticate", "").await;
        undecodable(&mut client, &[indexed(62)]).await;
    });
}

#[test]
fn an_index_beyond_the_last_entry_cannot_be_decoded() {
    rfc7541("2.3.3", async |server| {
        for index in [64, 65, 127, 128, 1000, 1 << 20] {
            let mut client = server.clone().open().await;
            client.accepted(&with(&[insert("x-a", "1"), insert("x-b", "2")])).await;
            expect_entry(&mut client, 62, "x-b", "2").await;
            expect_entry(&mut client, 63, "x-a", "1").await;
            undecodable(&mut client, &[indexed(index)]).await;
        }
    });
}

#[test]
fn a_name_beyond_the_last_entry_cannot_be_decoded() {
    rfc7541("2.3.3", async |server| {
        for field in NAMED {
            for index in [63, 64, 1000] {
                let mut client = server.clone().open().await;
                client.accepted(&with(&[insert("x-a", "1")])).await;
                let call = client.accepted(&with(&[field(62, "other")])).await;
                assert_eq!(call.values("x-a"), [b"other"]);
                // The representation may have added a second entry.
                undecodable(&mut client, &[field(index + 1, "value")]).await;
            }
        }
    });
}

#[test]
fn an_entry_may_be_used_in_the_block_that_adds_it() {
    rfc7541("2.3.3", async |server| {
        let mut client = server.open().await;
        let more = [insert("x-a", "1"), indexed(62), insert("x-b", "2"), indexed(63), indexed(62)];
        let call = client.accepted(&with(&more)).await;
        assert_eq!(call.values("x-a"), [b"1", b"1", b"1"]);
        assert_eq!(call.values("x-b"), [b"2", b"2"]);
    });
}

#[test]
fn an_index_above_127_is_decoded() {
    rfc7541("2.3.3", async |server| {
        let mut client = server.open().await;
        let entries: Vec<_> = (0..100).map(|number| insert("x", number.to_string())).collect();
        client.accepted(&with(&entries)).await;
        for (index, value) in [(62, "99"), (126, "35"), (127, "34"), (128, "33"), (161, "0")] {
            expect_entry(&mut client, index, "x", value).await;
        }
        undecodable(&mut client, &[indexed(162)]).await;
    });
}
