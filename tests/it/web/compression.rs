//! Compressed requests and responses.

use std::io::Read;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use crate::support::{
    web_client::{
        BIDI_STREAM, CLIENT_STREAM, CONNECT_JSON, CONNECT_PROTO, JSON, PROTO, SERVER_STREAM, UNARY,
        VERSIONS, WebClient, connect_stream, envelope, envelopes, header, json,
    },
    web_service::start,
    wire::{gzip, text},
};

const ENCODINGS: [&str; 2] = ["gzip", "zstd"];

fn compress(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" => gzip(bytes),
        _ => zstd::bulk::compress(bytes, 1).expect("writing to memory cannot fail"),
    }
}

fn decompress(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match encoding {
        "gzip" => flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).expect("gzip"),
        _ => zstd::stream::read::Decoder::new(bytes)
            .and_then(|mut decoder| decoder.read_to_end(&mut plain))
            .expect("zstd"),
    };
    plain
}

/// The messages in JSON and in protobuf.
fn contents(types: [&'static str; 2], long: &str) -> [(&'static str, Vec<u8>); 2] {
    let json = json!({ "text": long, "replies": 1 }).to_string().into_bytes();
    let order =
        crate::support::web_service::Order { text: long.into(), replies: 1, ..<_>::default() };
    [(types[0], json), (types[1], prost::Message::encode_to_vec(&order))]
}

fn check(content_type: &str, encoding: &str, message: &[u8], reply: &str) {
    let plain = decompress(encoding, message);
    let expected = match content_type {
        JSON => {
            let parsed: Value = serde_json::from_slice(&plain).expect("JSON");
            assert_eq!(parsed, json!({ "text": reply }));
            return;
        }
        _ => text(reply),
    };
    assert!(plain == expected, "{content_type} in {encoding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unary_calls_use_the_content_encoding_of_http() {
    let server = start(&[]);
    let long = "a".repeat(10_000);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for encoding in ENCODINGS {
            for (content_type, message) in contents([JSON, PROTO], &long) {
                let headers = [("content-encoding", encoding), ("accept-encoding", encoding)];
                let body = compress(encoding, &message);
                let response = client.post(UNARY, content_type, &headers, body).await;
                assert_eq!(response.status(), 200, "{response:?}");
                assert_eq!(header(&response, "content-encoding"), encoding);
                assert_eq!(header(&response, "content-length"), response.body().len().to_string());
                check(content_type, encoding, response.body(), &format!("reply for {long}"));
                // For a client that does not accept the encoding, the response is not compressed.
                let headers = &headers[..1];
                let body = compress(encoding, &message);
                let response = client.post(UNARY, content_type, headers, body).await;
                assert_eq!(header(&response, "content-encoding"), "");
                assert!(response.body().len() > long.len());
            }
        }
        let identity = [("content-encoding", "identity"), ("accept-encoding", "br, *;q=0")];
        let response = client.post(UNARY, JSON, &identity, r#"{"text": "a"}"#).await;
        assert_eq!(json(&response), json!({ "text": "reply for a" }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_of_a_stream_is_compressed_by_itself() {
    let server = start(&[]);
    let long = "a".repeat(10_000);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for encoding in ENCODINGS {
            for (content_type, message) in contents([CONNECT_JSON, CONNECT_PROTO], &long) {
                for path in [SERVER_STREAM, CLIENT_STREAM, BIDI_STREAM] {
                    let headers = [("connect-content-encoding", encoding)];
                    // A message may be uncompressed although the stream has an encoding.
                    for body in
                        [envelope(1, compress(encoding, &message)), envelope(0, message.clone())]
                    {
                        let response = client.post(path, content_type, &headers, body).await;
                        let messages = envelopes(response.body());
                        assert_eq!(messages.len(), 2, "{encoding} at {path}: {response:?}");
                        assert!(messages[0].1.len() > long.len(), "{encoding} at {path}");
                    }
                }
            }
        }
    }
}

fn check_unknown(error: &Value) {
    assert_eq!(error["code"], "unimplemented", "{error}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(ENCODINGS.iter().all(|known| message.contains(known)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_encoding_is_refused_with_the_known_ones() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for content_type in [JSON, PROTO] {
            let headers = [("content-encoding", "br")];
            let response = client.post(UNARY, content_type, &headers, "x").await;
            assert_eq!(response.status(), 501);
            check_unknown(&json(&response));
        }
        for content_type in [CONNECT_JSON, CONNECT_PROTO] {
            let headers = [("connect-content-encoding", "br")];
            let body = envelope(1, "x");
            let response = client.post(SERVER_STREAM, content_type, &headers, body).await;
            check_unknown(&connect_stream(&response).1["error"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_another_encoding_or_a_larger_size_than_allowed_are_refused() {
    let server = start(&[("SAMPLE__LIMITS__MESSAGE", "1KiB")]);
    let error = |response: &Response<Bytes>| json(response)["code"].as_str().map(str::to_owned);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for encoding in ENCODINGS {
            let headers = [("content-encoding", encoding)];
            let response = client.post(UNARY, JSON, &headers, "{}").await;
            let code = error(&response).expect("an error");
            assert!(["internal", "invalid_argument"].contains(&&*code), "{encoding}: {code}");
            let bomb = compress(encoding, &[b' '; 2000]);
            let response = client.post(UNARY, JSON, &headers, bomb.clone()).await;
            assert_eq!(error(&response).as_deref(), Some("resource_exhausted"), "{encoding}");
            let headers = [("connect-content-encoding", encoding)];
            let body = envelope(1, bomb);
            let response = client.post(SERVER_STREAM, CONNECT_JSON, &headers, body).await;
            assert_eq!(connect_stream(&response).1["error"]["code"], "resource_exhausted");
        }
    }
}
