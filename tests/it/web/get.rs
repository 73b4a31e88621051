//! GET requests of Connect.

use base64::{Engine, engine::general_purpose::URL_SAFE};
use bytes::Bytes;
use http::Response;
use prost::Message;
use serde_json::json;

use crate::support::{
    web_client::{GET, JSON, PROTO, SERVER_STREAM, UNARY, VERSIONS, WebClient, header, json},
    web_service::{Order, Reply, start},
    wire::gzip,
};

async fn get(client: &mut WebClient, path: &str, query: &str) -> Response<Bytes> {
    client.request("GET", &format!("{path}?{query}"), &[], "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_without_side_effects_is_called_by_get() {
    let server = start(&[]);
    // The base64 of this text has characters that differ in URLs, and needs padding.
    let order = Order { text: "ÿ?>~üü".into(), ..Order::default() }.encode_to_vec();
    let padded = URL_SAFE.encode(&order);
    assert!(padded.contains(['-', '_']) && padded.ends_with('='), "{padded}");
    let zipped = URL_SAFE.encode(gzip(&order));
    let zstd =
        URL_SAFE.encode(zstd::bulk::compress(&order, 1).expect("writing to memory cannot fail"));
    let percent: String = order.iter().map(|byte| format!("%{byte:02X}")).collect();
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for query in [
            format!("connect=v1&encoding=proto&base64=1&message={padded}"),
            format!("message={}&base64=1&encoding=proto", padded.trim_end_matches('=')),
            format!("encoding=proto&base64=1&message={}", padded.replace('=', "%3D")),
            format!("encoding=proto&message={percent}"),
            format!("encoding=proto&base64=1&compression=gzip&message={zipped}"),
            format!("encoding=proto&base64=1&compression=zstd&message={zstd}"),
            format!("encoding=proto&base64=1&compression=identity&message={padded}"),
        ] {
            let response = get(&mut client, GET, &query).await;
            assert_eq!(response.status(), 200, "{query}: {response:?}");
            assert_eq!(header(&response, "content-type"), PROTO);
            let reply = Reply::decode(response.into_body()).expect("a reply");
            assert_eq!(reply.text, "reply for ÿ?>~üü", "{query}");
        }
        let query = "encoding=json&message=%7B%22text%22:%22a+b%20c%22%7D";
        let response = get(&mut client, GET, query).await;
        assert_eq!(header(&response, "content-type"), JSON);
        assert_eq!(json(&response), json!({ "text": "reply for a b c" }));
        // The default message of protobuf is empty.
        let response = get(&mut client, GET, "encoding=proto&message=").await;
        assert_eq!(response.status(), 200, "{response:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_whose_query_is_wrong_names_the_parameter() {
    let server = start(&[]);
    let text = "encoding=json&message=%7B%7D";
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for (query, parameter) in [
            ("encoding=json".into(), "message"),
            ("encoding=proto&base64=1&message=*".into(), "message"),
            (format!("{text}&connect=v2"), "connect"),
        ] {
            let response = get(&mut client, GET, &query).await;
            let error = json(&response);
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains(&format!("parameter {parameter}")), "{query}: {error}");
            assert_eq!(response.status(), 400, "{query}");
            assert_eq!(error["code"], "invalid_argument", "{query}");
        }
        // "Unary-Get-Request" of the Connect protocol: a codec that is not known is 415.
        for query in ["", "message=%7B%7D", "encoding=xml&message="] {
            let response = get(&mut client, GET, query).await;
            assert_eq!(response.status(), 415, "{query}");
            let text = String::from_utf8_lossy(response.body());
            assert!(text.contains("parameter encoding must be json or proto"), "{query}: {text}");
        }
        // An unknown compression is the same error as an unknown encoding in a header.
        let response = get(&mut client, GET, &format!("{text}&compression=br")).await;
        let error = json(&response);
        assert_eq!((response.status().as_u16(), &error["code"]), (501, &json!("unimplemented")));
        assert!(
            error["message"].as_str().is_some_and(|text| text.contains("gzip, zstd")),
            "{error}"
        );
        // The method itself returns an error.
        let response = get(&mut client, GET, "encoding=json&message=%7B%22code%22:5%7D").await;
        assert_eq!(
            (response.status().as_u16(), json(&response)),
            (404, json!({ "code": "not_found" }))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_may_have_side_effects_is_not_called_by_get() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for path in [UNARY, SERVER_STREAM] {
            let response = get(&mut client, path, "encoding=json&message=%7B%7D").await;
            assert_eq!(response.status(), 405, "{path}");
            assert_eq!(header(&response, "allow"), "POST", "{path}");
        }
        let response = client.request("PUT", GET, &[("content-type", JSON)], "{}").await;
        assert_eq!(response.status(), 405);
        assert_eq!(header(&response, "allow"), "GET, POST");
        // A GET with a body is refused, because the query has the message.
        let query = format!("{GET}?encoding=json&message=%7B%7D");
        let response = client.request("GET", &query, &[], "{}").await;
        assert_eq!(
            (response.status().as_u16(), &json(&response)["code"]),
            (400, &json!("invalid_argument"))
        );
        // A method without side effects is still called by POST.
        assert_eq!(client.post(GET, JSON, &[], "{}").await.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_has_timeouts_metadata_and_compressed_responses() {
    // By default only the response to a compressed request is compressed.
    let server = start(&[("SAMPLE__COMPRESSION__RESPONSES", "always")]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        let query = format!("{GET}?encoding=json&message=%7B%22hangs%22:true%7D");
        let response = client.request("GET", &query, &[("connect-timeout-ms", "50")], "").await;
        assert_eq!(
            (response.status().as_u16(), &json(&response)["code"]),
            (504, &json!("deadline_exceeded"))
        );
        let query =
            format!("{GET}?encoding=json&message=%7B%22text%22:%22{}%22%7D", "x".repeat(5000));
        let headers = [("x-echo", "a"), ("x-trail", "b"), ("accept-encoding", "gzip")];
        let response = client.request("GET", &query, &headers, "").await;
        assert_eq!(response.status(), 200);
        assert_eq!((header(&response, "x-echo"), header(&response, "trailer-x-trail")), ("a", "b"));
        assert_eq!(header(&response, "content-encoding"), "gzip");
        assert!(response.body().starts_with(&[0x1f, 0x8b]), "it is not gzip");
    }
}
