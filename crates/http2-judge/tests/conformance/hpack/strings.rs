//! Strings and their Huffman code (RFC 7541, section 5.2).

use http2_judge::hpack::{
    encode::{coded, huffman, string},
    huffman::{encode, encode_with_eos},
};

use super::{undecodable, with};
use crate::support::{Start, rfc7541};

/// Returns a field with this string as its value.
fn with_value(value: &[u8]) -> Vec<u8> {
    [&[0, 1, b'x'][..], value].concat()
}

/// Expects that a request with this string as a value, or as a name, cannot be decoded.
async fn refused(server: &Start, code: &[u8]) {
    let as_name = [vec![0], coded(code), string("value")].concat();
    for field in [with_value(&coded(code)), as_name] {
        let mut client = server.clone().open().await;
        undecodable(&mut client, &[field]).await;
    }
}

#[test]
fn every_byte_that_a_value_may_have_is_decoded_from_huffman_code() {
    rfc7541("B", async |server| {
        let mut client = server.open().await;
        for byte in (0x20..0x7f).chain(0x80..=0xff).chain(*b"\t") {
            let value = [b'a', byte, b'z'];
            let call = client.accepted(&with(&[with_value(&huffman(value))])).await;
            assert_eq!(call.values("x"), [value]);
        }
    });
}

#[test]
fn a_byte_that_no_value_may_have_is_malformed_in_huffman_code_as_well() {
    rfc7541("B", async |server| {
        for byte in *b"\0\r\n" {
            let mut client = server.clone().open().await;
            client.malformed(&with(&[with_value(&huffman([b'a', byte, b'z']))])).await;
        }
    });
}

#[test]
fn an_upper_case_name_is_malformed_in_huffman_code_as_well() {
    rfc7541("B", async |server| {
        let mut client = server.open().await;
        client.malformed(&with(&[[vec![0], huffman("X"), string("value")].concat()])).await;
    });
}

#[test]
fn an_empty_string_may_have_huffman_code() {
    rfc7541("5.2", async |server| {
        let mut client = server.open().await;
        let call = client.accepted(&with(&[with_value(&[0x80])])).await;
        assert_eq!(call.values("x"), [b""]);
    });
}

#[test]
fn padding_of_up_to_7_bits_is_accepted() {
    rfc7541("5.2", async |server| {
        let mut client = server.open().await;
        // The codes of "a" and "#" have 5 and 12 bits.
        for value in ["aaaaaaaa", "a#", "aaa", "aaaaaa", "a", "aaaa", "#", "##"] {
            let call = client.accepted(&with(&[with_value(&huffman(value))])).await;
            assert_eq!(call.values("x"), [value.as_bytes()]);
        }
    });
}

#[test]
fn padding_of_8_bits_or_more_cannot_be_decoded() {
    rfc7541("5.2", async |server| {
        for value in ["", "a", "aaaaaaaa", "a#"] {
            for more in [1, 2, 3] {
                refused(&server, &[encode(value.as_bytes()), vec![0xff; more]].concat()).await;
            }
        }
    });
}

#[test]
fn padding_that_is_not_all_ones_cannot_be_decoded() {
    rfc7541("5.2", async |server| {
        // The 5 bits of "a" are 00011.
        for padding in 0..7 {
            refused(&server, &[0b0001_1000 | padding]).await;
        }
    });
}

#[test]
fn a_string_with_eos_cannot_be_decoded() {
    rfc7541("5.2", async |server| {
        for value in ["", "a", "aaaaaaaa"] {
            refused(&server, &encode_with_eos(value.as_bytes())).await;
        }
        refused(&server, &[&[0xff; 4][..], &encode(b"abc")].concat()).await;
    });
}

#[test]
fn a_string_longer_than_the_block_cannot_be_decoded() {
    rfc7541("5.2", async |server| {
        for field in [
            &[0, 5, b'x'][..],
            &[0, 1, b'x', 2, b'v'],
            &[0, 1, b'x', 0x82, 0x1f],
            &[0x40, 0x7f, 0xff, 0xff, 0x03, b'x'],
            &[0x10, 1, b'x', 0xff, 0xff, 0x03, 0x1f],
        ] {
            let mut client = server.clone().open().await;
            undecodable(&mut client, &[field.to_vec()]).await;
        }
    });
}

#[test]
fn a_long_string_is_decoded_from_huffman_code() {
    rfc7541("5.2", async |server| {
        let mut client = server.open().await;
        let value: Vec<u8> = (b'!'..=b'~').cycle().take(10_000).collect();
        let call = client.accepted(&with(&[with_value(&huffman(&value))])).await;
        assert_eq!(call.values("x"), [value]);
    });
}
