//! Metadata in both directions.

use bytes::Bytes;
use http::Response;
use prost::Message;
use serde_json::json;

use crate::support::{
    web_client::{
        CLIENT_STREAM, CONNECT_JSON, GRPC_WEB, JSON, SERVER_STREAM, UNARY, VERSIONS, WebClient,
        connect_stream, envelope, grpc_web, header,
    },
    web_service::{Order, start},
};

/// The metadata of a request that the service sends back, in its headers and in its trailers.
const SENT: [(&str, &str); 6] = [
    ("x-echo", "one"),
    ("x-echo", "two, three"),
    ("x-echo-bin", "AAEC/w"),
    ("x-trail", "four"),
    ("x-trail", "five"),
    ("x-trail-bin", "/wAB"),
];

fn all<'a>(response: &'a Response<Bytes>, name: &str) -> Vec<&'a str> {
    let values = response.headers().get_all(name).iter();
    values.map(|value| value.to_str().expect("text")).collect()
}

fn check_headers(response: &Response<Bytes>) {
    assert_eq!(all(response, "x-echo"), ["one", "two, three"], "{response:?}");
    assert_eq!(header(response, "x-echo-bin"), "AAEC/w", "{response:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_unary_calls_of_connect_are_headers_with_a_prefix() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        let response = client.post(UNARY, JSON, &SENT, "{}").await;
        check_headers(&response);
        assert_eq!(all(&response, "trailer-x-trail"), ["four", "five"], "{response:?}");
        assert_eq!(header(&response, "trailer-x-trail-bin"), "/wAB", "{response:?}");
        // A call that fails has its metadata in its headers.
        let response = client.post(UNARY, JSON, &SENT, r#"{"code": 5}"#).await;
        assert_eq!(response.status(), 404);
        check_headers(&response);
        for name in response.headers().keys() {
            assert!(!name.as_str().contains("grpc"), "{name} belongs to another protocol");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_streams_of_connect_are_in_their_last_message() {
    let server = start(&[]);
    let trailers = json!({ "x-trail": ["four", "five"], "x-trail-bin": ["/wAB"] });
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        let body = envelope(0, r#"{"replies": 1}"#);
        for path in [SERVER_STREAM, CLIENT_STREAM] {
            let response = client.post(path, CONNECT_JSON, &SENT, body.clone()).await;
            check_headers(&response);
            let (replies, end) = connect_stream(&response);
            assert_eq!((replies.len(), &end["metadata"]), (1, &trailers), "{path}");
        }
        // An error of the handler has this metadata too.
        let body = envelope(0, r#"{"replies": 1, "code": 5}"#);
        let response = client.post(SERVER_STREAM, CONNECT_JSON, &SENT, body).await;
        let (_, end) = connect_stream(&response);
        assert_eq!(end["error"]["code"], "not_found");
        assert_eq!(end["metadata"]["x-echo"], json!(["one", "two, three"]), "{end}");
        assert_eq!(end["metadata"]["x-echo-bin"], json!(["AAEC/w"]), "{end}");
        assert_eq!(end["metadata"]["x-trail"], json!(["four", "five"]), "{end}");
        // This response has no message but the last.
        let body = envelope(0, r#"{"code": 5}"#);
        let response = client.post(SERVER_STREAM, CONNECT_JSON, &SENT, body).await;
        let (_, end) = connect_stream(&response);
        assert_eq!(end["metadata"]["x-echo"], json!(["one", "two, three"]), "{end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_grpc_web_are_in_its_last_message() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for path in [UNARY, SERVER_STREAM] {
            let body = envelope(0, Order { replies: 1, ..Order::default() }.encode_to_vec());
            let response = client.post(path, GRPC_WEB, &SENT, body).await;
            check_headers(&response);
            let (messages, trailers) = grpc_web(&response);
            assert_eq!(messages.len(), 1);
            let all: Vec<_> = trailers.get_all("x-trail").iter().collect();
            assert_eq!(all, ["four", "five"]);
            assert_eq!(trailers["x-trail-bin"], "/wAB");
            assert_eq!(trailers["grpc-status"], "0");
        }
    }
}
