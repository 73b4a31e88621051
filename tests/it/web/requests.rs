//! Which requests are calls, and the responses to all others.

use prost::Message;
use serde_json::json;

use crate::support::{
    process::ServerProcess,
    web::Http1,
    web_client::{
        CONNECT_JSON, CONNECT_PROTO, GRPC_WEB, JSON, PROTO, SERVER_STREAM, UNARY, VERSIONS,
        Version, WebClient, connect_stream, envelope, envelopes, grpc_web, header, json,
    },
    web_service::{Order, Reply, start},
};

const HEALTH: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

#[tokio::test(flavor = "multi_thread")]
async fn content_types_have_any_case_and_parameters() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for (content_type, of_response) in [
            ("application/json; charset=utf-8", JSON),
            ("Application/JSON;charset=\"UTF-8\"", JSON),
            ("application/json ; q=1", JSON),
        ] {
            let response = client.post(UNARY, content_type, &[], r#"{"text": "a"}"#).await;
            assert_eq!(header(&response, "content-type"), of_response, "{content_type}");
            assert_eq!(json(&response), json!({ "text": "reply for a" }), "{content_type}");
        }
        let content_type = "application/connect+json; charset=utf-8";
        let body = envelope(0, r#"{"replies": 1}"#);
        let response = client.post(SERVER_STREAM, content_type, &[], body).await;
        assert_eq!(connect_stream(&response).0.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_content_type_is_refused_with_those_of_the_method() {
    let server = start(&[]);
    let grpc = "application/grpc, application/grpc-web+proto, application/grpc-web-text+proto";
    let unary = format!("{grpc}, application/json, application/proto");
    let streams = format!("{grpc}, application/connect+json, application/connect+proto");
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for (path, content_type, accepted) in [
            (UNARY, "text/plain", &unary),
            (UNARY, "application/json; charset=latin1", &unary),
            (UNARY, "application/connect+json", &unary),
            (UNARY, "application/x-www-form-urlencoded", &unary),
            (SERVER_STREAM, "application/json", &streams),
            (SERVER_STREAM, "application/connect+xml", &streams),
        ] {
            let response = client.post(path, content_type, &[], "{}").await;
            assert_eq!(response.status(), 415, "{content_type} at {path}");
            assert_eq!(header(&response, "accept-post"), accepted, "{content_type} at {path}");
        }
        let response = client.request("POST", UNARY, &[], "{}").await;
        assert_eq!(response.status(), 415);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_of_connect_other_than_1_is_refused() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for (value, status) in [("1", 200), ("2", 400), ("", 400)] {
            let headers = [("connect-protocol-version", value)];
            let response = client.post(UNARY, JSON, &headers, "{}").await;
            assert_eq!(response.status(), status, "{value}");
            let body = envelope(0, "{}");
            let response = client.post(SERVER_STREAM, CONNECT_JSON, &headers, body).await;
            let (_, end) = connect_stream(&response);
            if status == 200 {
                assert_eq!(end, json!({}));
            } else {
                assert_eq!(end["error"]["code"], "invalid_argument");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_body_is_a_message_of_protobuf_and_no_json() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        let response = client.post(UNARY, PROTO, &[], "").await;
        assert_eq!(response.status(), 200);
        let reply = Reply::decode(response.into_body()).expect("a reply");
        assert_eq!(reply.text, "reply for ");
        let response = client.post(UNARY, JSON, &[], "").await;
        assert_eq!(
            (response.status().as_u16(), &json(&response)["code"]),
            (400, &json!("invalid_argument"))
        );
        // An empty message of a stream is a message of protobuf too, and no JSON.
        let response = client.post(SERVER_STREAM, CONNECT_PROTO, &[], envelope(0, "")).await;
        assert_eq!(envelopes(response.body()), [(2, &b"{}"[..])]);
        let response = client.post(SERVER_STREAM, CONNECT_JSON, &[], envelope(0, "")).await;
        assert_eq!(connect_stream(&response).1["error"]["code"], "invalid_argument");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_does_not_exist_is_not_found() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for path in ["/web.WebService/None", "/None/None", "/"] {
            for content_type in [JSON, PROTO] {
                let response = client.post(path, content_type, &[], "").await;
                assert_eq!(response.status(), 404, "{path}");
                assert_eq!(json(&response)["code"], "unimplemented", "{path}");
            }
            let response = client.post(path, GRPC_WEB, &[], envelope(0, "")).await;
            assert_eq!(grpc_web(&response).1["grpc-status"], "12", "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_are_served_in_each_protocol() {
    let server = start(&[]);
    let list = r#"{"listServices": ""}"#;
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        let response = client.post(HEALTH, JSON, &[], "{}").await;
        assert_eq!(json(&response), json!({ "status": "SERVING" }));
        let response = client.post(HEALTH, JSON, &[], r#"{"service": "none"}"#).await;
        assert_eq!(
            (response.status().as_u16(), &json(&response)["code"]),
            (404, &json!("not_found"))
        );
        let response = client.post(HEALTH, PROTO, &[], "").await;
        assert_eq!(response.body(), "\x08\x01");
        let response = client.post(HEALTH, GRPC_WEB, &[], envelope(0, "")).await;
        assert_eq!(grpc_web(&response).0, [b"\x08\x01"]);

        // A watch never ends by itself.
        let timeout = [("connect-timeout-ms", "100")];
        let response = client.post(WATCH, CONNECT_JSON, &timeout, envelope(0, "{}")).await;
        let (statuses, end) = connect_stream(&response);
        assert_eq!(statuses, [json!({ "status": "SERVING" })]);
        assert_eq!(end["error"]["code"], "deadline_exceeded");

        let body = envelope(0, list);
        let response = client.post(REFLECTION, CONNECT_JSON, &[], body).await;
        let (responses, _) = connect_stream(&response);
        let services = &responses[0]["listServicesResponse"]["service"];
        let name = json!({ "name": "web.WebService" });
        assert!(services.as_array().is_some_and(|all| all.contains(&name)), "{services}");
        // The same request in protobuf: field 7, an empty text.
        let body = envelope(0, b"\x3a\x00");
        let response = client.post(REFLECTION, GRPC_WEB, &[], body).await;
        let (messages, _) = grpc_web(&response);
        let name = b"web.WebService";
        assert!(messages[0].windows(name.len()).any(|part| part == name));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_protocols_of_the_settings_are_served() {
    let order = Order { text: "a".into(), ..Order::default() }.encode_to_vec();
    for (protocols, status_of_web, status_of_connect) in
        [("grpc", 415, 415), ("grpc-web", 200, 415), ("connect", 415, 200)]
    {
        let server = start(&[("SAMPLE__SERVER__PROTOCOLS", protocols)]);
        for version in VERSIONS {
            if (protocols, version) == ("grpc", VERSIONS[0]) {
                continue;
            }
            let mut client = WebClient::connect(&server.address, version).await;
            let response = client.post(UNARY, GRPC_WEB, &[], envelope(0, &order)).await;
            assert_eq!(response.status(), status_of_web, "{protocols}");
            let response = client.post(UNARY, PROTO, &[], order.clone()).await;
            assert_eq!(response.status(), status_of_connect, "{protocols}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_above_the_limit_gets_both_sizes_and_its_connection_stays_open() {
    let server = ServerProcess::start(&[]);
    let sizes = "the message has 5000000 bytes, and the limit is 4194304 bytes";
    let digits = "1".repeat(5_000_000);
    // Without hyper's client, which may not notice that its connection is free again.
    let mut client = Http1::connect(&server.address).await;
    let mut http2 = WebClient::connect(&server.address, Version::Http2).await;
    for _ in 0..3 {
        client.call("", &digits).await;
        let response = client.response().await;
        assert!(response.status == 429 && response.body.contains(sizes), "{response:?}");
        client.call("", "{}").await;
        assert_eq!(client.response().await.status, 200);

        let response = http2.post("/SampleService/Call", JSON, &[], digits.clone()).await;
        assert_eq!((response.status().as_u16(), &json(&response)["message"]), (429, &json!(sizes)));
        assert_eq!(http2.post("/SampleService/Call", JSON, &[], "{}").await.status(), 200);
    }
}
