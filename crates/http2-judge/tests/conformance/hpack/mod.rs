//! HPACK (RFC 7541).

mod encoder;
mod examples;
mod index;
mod integers;
mod literals;
mod strings;
mod table;
mod table_size;
mod truncated;

use http2_judge::{frame::post, hpack::encode::indexed};

use crate::support::Client;

/// Returns the header block of a POST with more representations.
fn with(more: &[Vec<u8>]) -> Vec<u8> {
    [post("/", &[]), more.concat()].concat()
}

/// Expects that the field at this index is `name: value`.
async fn expect_entry(client: &mut Client, index: usize, name: &str, value: &str) {
    let call = client.accepted(&with(&[indexed(index)])).await;
    assert_eq!(call.values(name), [value.as_bytes()], "index {index}");
}

/// Expects that a request with these representations cannot be decoded.
async fn undecodable(client: &mut Client, more: &[Vec<u8>]) {
    let seen = client.calls.all().len();
    let id = client.fresh();
    client.request(id, &with(more)).await;
    client.compression_error().await;
    assert_eq!(client.calls.all().len(), seen, "the handler sees the request");
}
