//! Literals (RFC 7541, section 6.2).

use http2_judge::{
    frame::literal,
    hpack::encode::{huffman, indexed, insert, insert_at, literal_at, never, never_at, string},
};

use super::{expect_entry, undecodable, with};
use crate::support::rfc7541;

#[test]
fn a_literal_with_indexing_is_added_in_front() {
    rfc7541("6.2.1", async |server| {
        let mut client = server.open().await;
        client.accepted(&with(&[insert("x-a", "1")])).await;
        client.accepted(&with(&[insert_at(62, "2")])).await;
        expect_entry(&mut client, 62, "x-a", "2").await;
        expect_entry(&mut client, 63, "x-a", "1").await;
    });
}

#[test]
fn a_literal_without_indexing_is_not_added() {
    rfc7541("6.2.2", async |server| {
        let mut client = server.open().await;
        client.accepted(&with(&[literal("x-a", "1"), literal_at(58, "2")])).await;
        undecodable(&mut client, &[indexed(62)]).await;
    });
}

#[test]
fn a_literal_that_is_never_indexed_is_not_added() {
    rfc7541("6.2.3", async |server| {
        let mut client = server.open().await;
        let call = client.accepted(&with(&[never("x-a", "1"), never_at(58, "2")])).await;
        assert_eq!(call.values("x-a"), [b"1"]);
        assert_eq!(call.values("user-agent"), [b"2"]);
        undecodable(&mut client, &[indexed(62)]).await;
    });
}

#[test]
fn a_name_and_a_value_may_each_have_huffman_code_or_not() {
    rfc7541("5.2", async |server| {
        let mut client = server.open().await;
        for first in [0x00, 0x10, 0x40] {
            for name in [string("x-name"), huffman("x-name")] {
                for value in [string("value"), huffman("value")] {
                    let field = [vec![first], name.clone(), value].concat();
                    let call = client.accepted(&with(&[field])).await;
                    assert_eq!(call.values("x-name"), [b"value"]);
                }
            }
        }
    });
}

#[test]
fn the_pseudo_fields_may_be_literals() {
    rfc7541("6.2", async |server| {
        let mut client = server.open().await;
        let block = [
            insert(":method", "PUT"),
            never(":scheme", "http"),
            literal_at(4, "/path"),
            insert_at(1, "test"),
        ];
        let call = client.accepted(&block.concat()).await;
        assert_eq!((call.method.as_str(), call.uri.path()), ("PUT", "/path"));
        let call = client.accepted(&[indexed(63), vec![0x86, 0x84], indexed(62)].concat()).await;
        assert_eq!(call.method, "PUT");
        assert_eq!(call.uri.authority().expect("an authority"), "test");
    });
}

#[test]
fn a_pseudo_field_may_be_added_by_a_block_that_is_malformed() {
    rfc7541("2.2", async |server| {
        let mut client = server.open().await;
        client.malformed(&with(&[insert(":path", "/late"), insert("x-a", "1")])).await;
        let call = client.accepted(&[&[0x83, 0x86][..], &indexed(63), &indexed(62)].concat()).await;
        assert_eq!(call.uri.path(), "/late");
        assert_eq!(call.values("x-a"), [b"1"]);
    });
}
