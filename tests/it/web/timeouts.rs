//! Timeouts of calls.

use serde_json::json;

use crate::support::{
    web_client::{
        CONNECT_JSON, GRPC_WEB, JSON, SERVER_STREAM, UNARY, VERSIONS, WebClient, connect_stream,
        envelope, grpc_web, json,
    },
    web_service::{Order, start},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_hangs_ends_at_its_timeout() {
    let server = start(&[]);
    let timeout = ("connect-timeout-ms", "50");
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        let response = client.post(UNARY, JSON, &[timeout], r#"{"hangs": true}"#).await;
        assert_eq!(response.status(), 504);
        assert_eq!(json(&response)["code"], "deadline_exceeded");

        let order = r#"{"hangs": true, "replies": 1}"#;
        let body = envelope(0, order);
        let response = client.post(SERVER_STREAM, CONNECT_JSON, &[timeout], body).await;
        let (replies, end) = connect_stream(&response);
        assert_eq!((replies.len(), &end["error"]["code"]), (1, &json!("deadline_exceeded")));

        let order = Order { hangs: true, ..Order::default() };
        let body = envelope(0, prost::Message::encode_to_vec(&order));
        let response = client.post(UNARY, GRPC_WEB, &[("grpc-timeout", "50m")], body).await;
        assert_eq!(grpc_web(&response).1["grpc-status"], "4");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_of_connect_is_at_most_ten_digits() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for (value, is_valid) in [
            ("9999999999", true),
            ("0000060000", true),
            ("10000000000", false),
            ("-1", false),
            ("+1", false),
            ("1.5", false),
            ("60s", false),
            ("", false),
        ] {
            let timeout = [("connect-timeout-ms", value)];
            let response = client.post(UNARY, JSON, &timeout, "{}").await;
            let expected = if is_valid { 200 } else { 400 };
            assert_eq!(response.status(), expected, "{value}: {:?}", response.body());
            let body = envelope(0, "{}");
            let response = client.post(SERVER_STREAM, CONNECT_JSON, &timeout, body).await;
            let (_, end) = connect_stream(&response);
            assert_eq!(end.get("error").is_none(), is_valid, "{value}: {end}");
            if !is_valid {
                assert_eq!(end["error"]["code"], "invalid_argument", "{value}: {end}");
                let message = end["error"]["message"].as_str().unwrap_or_default();
                assert!(message.contains("connect-timeout-ms"), "{value}: {end}");
            }
        }
        // A timeout of 0 is over at once.
        let timeout = [("connect-timeout-ms", "0")];
        let response = client.post(UNARY, JSON, &timeout, r#"{"hangs": true}"#).await;
        assert_eq!(json(&response)["code"], "deadline_exceeded");
    }
}
