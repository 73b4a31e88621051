//! Integers (RFC 7541, section 5.1).

use http2_judge::frame::literal;

use super::{undecodable, with};
use crate::support::{Start, rfc7541};

/// Expects that a request with this representation cannot be decoded.
async fn refused(server: &Start, field: &[u8]) {
    let mut client = server.clone().open().await;
    undecodable(&mut client, &[field.to_vec()]).await;
}

#[test]
fn lengths_around_the_prefix_are_decoded() {
    rfc7541("5.1", async |server| {
        let mut client = server.open().await;
        for length in [0, 1, 126, 127, 128, 254, 255, 256, 16_000 - 127, 383, 384] {
            let value = vec![b'v'; length];
            let call = client.accepted(&with(&[literal("x", &value)])).await;
            assert_eq!(call.values("x"), [value]);
        }
    });
}

#[test]
fn an_index_that_overflows_cannot_be_decoded() {
    rfc7541("5.1", async |server| {
        refused(&server, &[0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]).await;
        refused(&server, &[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]).await;
        refused(&server, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).await;
        // This overflows to index 2 in 64 bits.
        refused(&server, &[0xff, 0x83, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).await;
        // This overflows to index 2 in 32 bits.
        refused(&server, &[0xff, 0x83, 0xff, 0xff, 0xff, 0x0f]).await;
    });
}

#[test]
fn an_endless_integer_cannot_be_decoded() {
    rfc7541("5.1", async |server| {
        for first in [0xff, 0x7f, 0x0f, 0x1f] {
            refused(&server, &[&[first][..], &[0x80; 100], &[0]].concat()).await;
            refused(&server, &[&[first][..], &[0xff; 100], &[0]].concat()).await;
        }
    });
}

#[test]
fn an_endless_size_update_cannot_be_decoded() {
    rfc7541("5.1", async |server| {
        let mut client = server.open().await;
        let update = [&[0x3f][..], &[0x80; 100], &[0]].concat();
        client.request(1, &[update, with(&[])].concat()).await;
        client.compression_error().await;
    });
}

#[test]
fn a_length_that_overflows_cannot_be_decoded() {
    rfc7541("5.1", async |server| {
        for length in [
            &[0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f][..],
            &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x7f, 0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ] {
            refused(&server, &[&[0][..], length, b"xv"].concat()).await;
            refused(&server, &[&[0, 1, b'x'][..], length, b"v"].concat()).await;
        }
    });
}

#[test]
fn an_integer_without_its_end_cannot_be_decoded() {
    rfc7541("5.1", async |server| {
        for field in [
            &[0xff][..],
            &[0xff, 0x80],
            &[0x7f],
            &[0x7f, 0x80],
            &[0x0f],
            &[0x0f, 0xff],
            &[0x1f],
            &[0, 0x7f],
            &[0, 1, b'x', 0x7f],
            &[0, 1, b'x', 0xff, 0x80],
        ] {
            refused(&server, field).await;
        }
    });
}

#[test]
fn an_integer_with_one_byte_too_many_is_decoded_or_refused() {
    rfc7541("5.1", async |server| {
        let mut client = server.open().await;
        let value = vec![b'v'; 127];
        let field = [&[0, 1, b'x', 0x7f, 0x80, 0x00][..], &value].concat();
        client.request(1, &with(&[field])).await;
        client.settle().await;
        if client.state.goaways.is_empty() {
            client.ok(1).await;
            assert_eq!(client.last_call().values("x"), [value]);
        } else {
            client.compression_error().await;
        }
    });
}
