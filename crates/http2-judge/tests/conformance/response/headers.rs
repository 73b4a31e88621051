//! The headers of responses (RFC 9113, sections 8.1 to 8.3.2). Their form is checked in every case.

use http::{Response, StatusCode, header::HeaderValue};
use http2_judge::{body::Outgoing, frame::post, hpack::Field};

use crate::support::{Client, MAX_FRAME_SIZE, Start, fields, rfc9113};

/// Returns a client whose requests get a response with these headers.
async fn open(server: Start, settings: &[(u16, u32)], headers: &[(&str, &[u8])]) -> Client {
    let client = server.open_with(settings).await;
    let mut response = http::HeaderMap::new();
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().expect("a name");
        response.append(name, HeaderValue::from_bytes(value).expect("a value"));
    }
    client.calls.respond(move |_| {
        let mut head = Response::new(Outgoing::empty());
        head.headers_mut().clone_from(&response);
        std::future::ready(head)
    });
    client
}

fn values(headers: &[Field], name: &str) -> Vec<Vec<u8>> {
    let named = headers.iter().filter(|field| field.0 == name.as_bytes());
    named.map(|field| field.1.clone()).collect()
}

#[test]
fn every_status_arrives() {
    rfc9113("8.3.2", async |server| {
        let mut client = server.open().await;
        for status in [200, 204, 206, 299, 301, 304, 400, 404, 415, 431, 499, 500, 503, 599] {
            client.calls.respond(move |_| async move {
                let status = StatusCode::from_u16(status).expect("a status");
                Response::builder().status(status).body(Outgoing::empty()).expect("it is right")
            });
            let id = client.fresh();
            client.get(id).await;
            assert_eq!(client.response(id).await.status, status);
        }
    });
}

#[test]
fn the_values_of_a_repeated_name_keep_their_order() {
    rfc9113("8.2", async |server| {
        let headers = [("x-a", &b"1"[..]), ("x-b", b"2"), ("x-a", b"3"), ("x-a", b"")];
        let mut client = open(server, &[], &headers).await;
        client.get(1).await;
        let headers = client.response(1).await.headers;
        assert_eq!(values(&headers, "x-a"), [&b"1"[..], b"3", b""]);
        assert_eq!(values(&headers, "x-b"), [b"2"]);
    });
}

#[test]
fn a_value_of_every_byte_arrives() {
    rfc9113("8.2.1", async |server| {
        let value: Vec<u8> = (0x21..=0x7e).chain(*b" \t").chain(0x80..=0xff).collect();
        let mut client = open(server, &[], &[("x-a", &value)]).await;
        client.get(1).await;
        assert_eq!(values(&client.response(1).await.headers, "x-a"), [value]);
    });
}

#[test]
fn a_header_block_above_the_frame_size_is_continued() {
    rfc9113("4.3", async |server| {
        let value = vec![b'\\'; 12_000];
        let headers = [("x-a", &value[..]), ("x-b", &value), ("x-c", &value), ("x-d", &value)];
        let mut client = open(server, &[], &headers).await;
        client.get(1).await;
        let response = client.response(1).await;
        assert!(response.header_frames > 2, "{} frames", response.header_frames);
        for name in ["x-a", "x-b", "x-c", "x-d"] {
            assert_eq!(values(&response.headers, name), [&value[..]]);
        }
        client.ping().await;
    });
}

#[test]
fn a_header_block_respects_a_larger_frame_size() {
    rfc9113("6.5.2", async |server| {
        let value = vec![b'\\'; 30_000];
        let headers = [("x-a", &value[..]), ("x-b", &value)];
        let mut client = open(server, &[(MAX_FRAME_SIZE, 20_000)], &headers).await;
        client.get(1).await;
        assert_eq!(values(&client.response(1).await.headers, "x-b"), [value]);
    });
}

#[test]
fn fields_of_connections_are_not_sent() {
    rfc9113("8.2.2", async |server| {
        for name in ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"]
        {
            let mut client = open(server.clone(), &[], &[(name, b"close")]).await;
            client.get(1).await;
            client
                .until("an end", |state| {
                    state.streams[&1].is_ended || state.streams[&1].reset.is_some()
                })
                .await;
            client.ping().await;
        }
    });
}

#[test]
fn a_response_to_head_has_no_data() {
    rfc9113("8.1.1", async |server| {
        let mut client = open(server, &[], &[("content-length", b"1000")]).await;
        let head = [(":method", "HEAD"), (":scheme", "http"), (":path", "/"), (":authority", "t")];
        client.request(1, &fields(&head)).await;
        let response = client.response(1).await;
        assert_eq!(values(&response.headers, "content-length"), [b"1000"]);
        assert_eq!(response.data, b"");
    });
}

#[test]
fn a_request_that_expects_100_continue_gets_one_response() {
    rfc9113("8.1", async |server| {
        let mut client = server.open().await;
        client.headers(1, &post("/", &[("expect", "100-continue")])).await;
        client.settle().await;
        client.end(1, b"data").await;
        client.ok(1).await;
        assert_eq!(client.state.streams[&1].blocks.len(), 1);
    });
}
