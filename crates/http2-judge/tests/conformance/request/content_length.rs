//! `content-length` and the length of the body (RFC 9113, section 8.1.1).

use http2_judge::frame::{DATA, END_STREAM, PADDED, post};

use crate::support::{Client, PROTOCOL_ERROR, Start, fields, own_rule, rfc9113};

/// Returns a client that has begun a request with this `content-length`.
async fn with_length(server: &Start, length: &str) -> Client {
    let mut client = server.clone().open().await;
    client.headers(1, &post("/", &[("content-length", length)])).await;
    // The handler must run before the body comes. If all comes at once, it may see nothing.
    client.settle().await;
    client
}

/// Expects that the body is an error for the client and for the handler.
async fn malformed(client: &mut Client) {
    client.stream_error(1, &[PROTOCOL_ERROR]).await;
    assert!(!client.calls.all()[0].is_whole, "the handler sees a whole body");
}

#[test]
fn a_body_of_the_announced_length_is_accepted() {
    rfc9113("8.1.1", async |server| {
        let mut client = with_length(&server, "4").await;
        client.end(1, b"data").await;
        client.ok(1).await;
        let mut client = with_length(&server, "0004").await;
        client.data(1, b"da").await;
        client.data(1, b"").await;
        client.data(1, b"ta").await;
        client.end(1, b"").await;
        client.ok(1).await;
    });
}

#[test]
fn a_shorter_body_is_malformed() {
    rfc9113("8.1.1", async |server| {
        for data in [&b""[..], b"dat"] {
            let mut client = with_length(&server, "4").await;
            client.end(1, data).await;
            malformed(&mut client).await;
        }
    });
}

#[test]
fn a_longer_body_is_malformed() {
    rfc9113("8.1.1", async |server| {
        let mut client = with_length(&server, "4").await;
        client.end(1, b"data!").await;
        malformed(&mut client).await;
        let mut client = with_length(&server, "4").await;
        client.data(1, b"data").await;
        client.end(1, b"!").await;
        malformed(&mut client).await;
    });
}

#[test]
fn a_body_is_malformed_as_soon_as_it_is_too_long() {
    own_rule("a body that is too long is not read to its end", async |server| {
        let mut client = with_length(&server, "4").await;
        client.data(1, b"data!").await;
        malformed(&mut client).await;
    });
}

#[test]
fn a_body_with_a_length_of_0_is_malformed() {
    rfc9113("8.1.1", async |server| {
        let mut client = with_length(&server, "0").await;
        client.end(1, b"!").await;
        malformed(&mut client).await;
    });
}

#[test]
fn a_length_of_0_without_a_body_is_accepted() {
    rfc9113("8.1.1", async |server| {
        let mut client = with_length(&server, "0").await;
        client.end(1, b"").await;
        client.ok(1).await;
        client.accepted(&post("/", &[("content-length", "0")])).await;
    });
}

#[test]
fn a_length_of_1_without_a_body_is_malformed() {
    rfc9113("8.1.1", async |server| {
        let mut client = server.open().await;
        client.malformed(&post("/", &[("content-length", "1")])).await;
    });
}

#[test]
fn a_length_of_1_in_a_head_request_without_a_body_is_malformed() {
    rfc9113("8.1.1", async |server| {
        let mut client = server.open().await;
        let head = [(":method", "HEAD"), (":scheme", "http"), (":path", "/"), (":authority", "t")];
        client.malformed(&fields(&[&head[..], &[("content-length", "1")]].concat())).await;
    });
}

#[test]
fn padding_does_not_count() {
    rfc9113("8.1.1", async |server| {
        let mut client = with_length(&server, "4").await;
        client.send(DATA, PADDED, 1, b"\x03da\0\0\0").await;
        client.send(DATA, PADDED | END_STREAM, 1, b"\x01ta\0").await;
        client.ok(1).await;
        assert_eq!(client.last_call().body, b"data");
        let mut client = with_length(&server, "4").await;
        client.send(DATA, PADDED | END_STREAM, 1, b"\x01dat\0").await;
        malformed(&mut client).await;
    });
}

#[test]
fn trailers_after_a_body_of_the_announced_length_are_accepted() {
    rfc9113("8.1.1", async |server| {
        let mut client = with_length(&server, "4").await;
        client.data(1, b"data").await;
        client.request(1, &fields(&[("x-name", "value")])).await;
        client.ok(1).await;
    });
}

#[test]
fn trailers_after_a_shorter_body_are_malformed() {
    rfc9113("8.1.1", async |server| {
        let mut client = with_length(&server, "4").await;
        client.data(1, b"dat").await;
        client.request(1, &fields(&[("x-name", "value")])).await;
        malformed(&mut client).await;
    });
}

#[test]
fn two_different_lengths_are_malformed() {
    rfc9113("8.1.1", async |server| {
        let mut client = server.open().await;
        client.malformed(&post("/", &[("content-length", "0"), ("content-length", "1")])).await;
        client.malformed(&post("/", &[("content-length", "1"), ("content-length", "0")])).await;
    });
}

#[test]
fn two_different_lengths_are_malformed_whatever_the_body() {
    rfc9113("8.1.1", async |server| {
        let mut client = server.open().await;
        for (first, second) in [("0", "4"), ("4", "0")] {
            let id = client.fresh();
            let lengths = [("content-length", first), ("content-length", second)];
            client.headers(id, &post("/", &lengths)).await;
            client.stream_error(id, &[PROTOCOL_ERROR]).await;
        }
    });
}

#[test]
fn a_length_that_comes_twice_is_accepted_or_malformed() {
    rfc9113("8.1.1", async |server| {
        let mut client = server.open().await;
        client.headers(1, &post("/", &[("content-length", "4"), ("content-length", "4")])).await;
        client.settle().await;
        if client.calls.all().is_empty() {
            client.stream_error(1, &[PROTOCOL_ERROR]).await;
        } else {
            client.end(1, b"data!").await;
            malformed(&mut client).await;
        }
    });
}

#[test]
fn a_length_that_is_no_number_is_malformed() {
    rfc9113("8.1.1", async |server| {
        for length in ["abc", "-1", "+1", "1.0", "0x1", "1,2", "1 1", "4a"] {
            let mut client = server.clone().open().await;
            client.headers(1, &post("/", &[("content-length", length)])).await;
            client.stream_error(1, &[PROTOCOL_ERROR]).await;
        }
    });
}

#[test]
fn an_empty_length_is_malformed() {
    rfc9113("8.1.1", async |server| {
        let mut client = with_length(&server, "").await;
        client.stream_error(1, &[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn a_length_beyond_2_64_is_malformed() {
    rfc9113("8.1.1", async |server| {
        for length in ["18446744073709551616", "99999999999999999999999999999999"] {
            let mut client = with_length(&server, length).await;
            client.end(1, b"data").await;
            client.stream_error(1, &[PROTOCOL_ERROR]).await;
        }
    });
}
