//! The messages of Connect's streams: how many there may be, and malformed ones.

use base64::{Engine, engine::general_purpose::STANDARD};
use prost::Message;
use serde_json::{Value, json};

use crate::support::{
    web_client::{
        BIDI_STREAM, CLIENT_STREAM, CONNECT_JSON, CONNECT_PROTO, END, GRPC_WEB, SERVER_STREAM,
        UNARY, VERSIONS, WebClient, connect_stream, envelope, envelopes, grpc_web, header,
    },
    web_service::{Order, Reply, start},
};

fn texts(replies: &[Value]) -> Vec<&str> {
    replies.iter().map(|reply| reply["text"].as_str().expect("a text")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_in_each_direction_have_their_messages_in_order() {
    let server = start(&[]);
    let orders: Vec<Order> =
        ["a", "b"].map(|text| Order { text: text.into(), replies: 2, ..Order::default() }).into();
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for (path, count, expected) in [
            (SERVER_STREAM, 1, &["a 1", "a 2"][..]),
            (CLIENT_STREAM, 2, &["a,b"]),
            (CLIENT_STREAM, 0, &[""]),
            (BIDI_STREAM, 2, &["a 1", "a 2", "b 1", "b 2"]),
            (BIDI_STREAM, 0, &[]),
        ] {
            let orders = orders.iter().take(count);
            let order = |order: &Order| {
                let order = json!({ "text": order.text, "replies": order.replies });
                envelope(0, order.to_string())
            };
            let body: Vec<u8> = orders.clone().flat_map(order).collect();
            let response = client.post(path, CONNECT_JSON, &[], body).await;
            assert_eq!(header(&response, "content-type"), CONNECT_JSON);
            let (replies, end) = connect_stream(&response);
            let replies: Vec<_> = replies
                .into_iter()
                .map(|mut reply| {
                    // An empty text is left out of JSON.
                    reply["text"].take().as_str().unwrap_or_default().to_owned()
                })
                .collect();
            assert_eq!(
                (replies, &end),
                (expected.iter().map(ToString::to_string).collect(), &json!({})),
                "{path}"
            );

            let body: Vec<u8> =
                orders.flat_map(|order| envelope(0, order.encode_to_vec())).collect();
            let response = client.post(path, CONNECT_PROTO, &[], body.clone()).await;
            assert_eq!(header(&response, "content-type"), CONNECT_PROTO);
            let mut messages = envelopes(response.body());
            assert_eq!(messages.pop(), Some((END, &b"{}"[..])), "{path}");
            let reply = |(flag, message): &(u8, &[u8])| {
                assert_eq!(*flag, 0);
                Reply::decode(*message).expect("a reply").text
            };
            assert_eq!(messages.iter().map(reply).collect::<Vec<_>>(), expected, "{path}");

            let response = client.post(path, GRPC_WEB, &[], body).await;
            let (messages, trailers) = grpc_web(&response);
            assert_eq!(
                (messages.len(), &trailers["grpc-status"]),
                (expected.len(), &"0".parse().expect("a value")),
                "{path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_takes_one_message_refuses_none_and_two() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for count in [0, 2] {
            for (content_type, message) in [(CONNECT_JSON, "{}"), (CONNECT_PROTO, "")] {
                let body = envelope(0, message).repeat(count);
                let response = client.post(SERVER_STREAM, content_type, &[], body).await;
                let messages = envelopes(response.body());
                let (flag, end) = messages.last().expect("an end");
                let end: Value = serde_json::from_slice(end).expect("JSON");
                assert_eq!((messages.len(), *flag), (1, END), "{count} of {content_type}");
                assert_eq!(end["error"]["code"], "unimplemented", "{count} of {content_type}");
            }
            for path in [UNARY, SERVER_STREAM] {
                let body = envelope(0, "").repeat(count);
                let response = client.post(path, GRPC_WEB, &[], body).await;
                assert_eq!(grpc_web(&response).1["grpc-status"], "12", "{count} at {path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_message_of_a_stream_ends_the_call_with_an_error() {
    let server = start(&[("SAMPLE__LIMITS__MESSAGE", "1KiB")]);
    let cut = |body: Vec<u8>| body[..body.len() - 1].to_vec();
    let too_long = [&envelope(0, "")[..1], &[0, 0, 8, 0]].concat();
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for (content_type, message) in [(CONNECT_JSON, "{}"), (CONNECT_PROTO, "\x0a\x01a")] {
            for (problem, body, codes) in [
                (
                    "a flag that does not exist",
                    envelope(4, message),
                    ["internal", "invalid_argument"],
                ),
                (
                    "an end, which only a response has",
                    envelope(END, message),
                    ["internal", "invalid_argument"],
                ),
                (
                    "compression that was not announced",
                    envelope(1, message),
                    ["internal", "invalid_argument"],
                ),
                (
                    "a message that is cut off",
                    cut(envelope(0, message)),
                    ["internal", "invalid_argument"],
                ),
                ("a prefix that is cut off", vec![0, 0], ["internal", "invalid_argument"]),
                ("a message above the limit", too_long.clone(), ["resource_exhausted"; 2]),
                ("no message of this kind", envelope(0, [0xff]), ["internal", "invalid_argument"]),
            ] {
                for path in [SERVER_STREAM, CLIENT_STREAM, BIDI_STREAM] {
                    let response = client.post(path, content_type, &[], body.clone()).await;
                    let (replies, end) = connect_stream(&response);
                    let code = end["error"]["code"].as_str().unwrap_or_default();
                    assert!(codes.contains(&code), "{problem} at {path}: {end}");
                    assert!(replies.is_empty(), "{problem} at {path}");
                }
            }
            // A message before the malformed one gets its reply.
            let order = if content_type == CONNECT_JSON {
                r#"{"text": "a", "replies": 1}"#.into()
            } else {
                Order { text: "a".into(), replies: 1, ..Order::default() }.encode_to_vec()
            };
            let body = [envelope(0, order), envelope(4, "")].concat();
            let response = client.post(BIDI_STREAM, content_type, &[], body).await;
            assert_eq!(envelopes(response.body()).len(), 2, "{response:?}");
        }
        let body = [envelope(0, r#"{"text": "a", "replies": 1}"#), envelope(4, "{}")].concat();
        let response = client.post(BIDI_STREAM, CONNECT_JSON, &[], body).await;
        assert_eq!(texts(&connect_stream(&response).0), ["a 1"]);
    }
}

/// Decodes base64 that consists of parts, each with its own padding.
fn decoded(text: &[u8]) -> Vec<u8> {
    let part = |part: &[u8]| STANDARD.decode(part).expect("base64");
    text.chunks(4).flat_map(part).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_grpc_web_is_base64_in_both_directions() {
    let server = start(&[]);
    let order = Order { text: "a".into(), replies: 2, ..Order::default() };
    let framed = envelope(0, order.encode_to_vec());
    let (first, second) = framed.split_at(4);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for content_type in ["application/grpc-web-text", "application/grpc-web-text+proto"] {
            for body in [
                STANDARD.encode(&framed),
                // A client may encode each piece by itself.
                STANDARD.encode(first) + &STANDARD.encode(second),
            ] {
                let response = client.post(SERVER_STREAM, content_type, &[], body).await;
                let content_type = header(&response, "content-type");
                assert_eq!(content_type, "application/grpc-web-text+proto");
                let response = response.map(|text| decoded(&text).into());
                let (messages, trailers) = grpc_web(&response);
                let reply = |message: &&[u8]| Reply::decode(*message).expect("a reply").text;
                assert_eq!(messages.iter().map(reply).collect::<Vec<_>>(), ["a 1", "a 2"]);
                assert_eq!(trailers["grpc-status"], "0");
            }
        }
        let response = client.post(UNARY, "application/grpc-web-text", &[], "!!!!").await;
        assert_eq!(grpc_web(&response).1["grpc-status"], "3", "{response:?}");
    }
}
