//! Errors: their codes, HTTP statuses, messages and details in each protocol.

use prost::Message;
use prost_types::Any;
use serde_json::{Value, json};

use crate::support::{
    web_client::{
        BIDI_STREAM, CLIENT_STREAM, CONNECT_JSON, CONNECT_PROTO, GRPC_WEB, JSON, PROTO,
        SERVER_STREAM, UNARY, VERSIONS, WebClient, connect_stream, envelope, grpc_web, header,
        json,
    },
    web_service::{Order, start},
};

/// The codes of gRPC from 1, as "Error Codes" of the Connect protocol has them.
const CODES: [(&str, u16); 16] = [
    ("canceled", 499),
    ("unknown", 500),
    ("invalid_argument", 400),
    ("deadline_exceeded", 504),
    ("not_found", 404),
    ("already_exists", 409),
    ("permission_denied", 403),
    ("resource_exhausted", 429),
    ("failed_precondition", 400),
    ("aborted", 409),
    ("out_of_range", 400),
    ("unimplemented", 501),
    ("internal", 500),
    ("unavailable", 503),
    ("data_loss", 500),
    ("unauthenticated", 401),
];

const PROBLEM: &str = "no \"x\"\n👋";

fn order(code: i32) -> Order {
    Order { code, problem: PROBLEM.into(), details: vec![detail()], ..Order::default() }
}

/// A google.rpc.ErrorInfo.
fn detail() -> Any {
    let info =
        tonic_types::pb::ErrorInfo { reason: "R".into(), domain: "d".into(), ..<_>::default() };
    Any { type_url: "type.googleapis.com/google.rpc.ErrorInfo".into(), value: info.encode_to_vec() }
}

/// The error of [`order`] in Connect.
fn error(code: &str) -> Value {
    // Base64 without padding: "Error" of the Connect protocol.
    let details = json!([{ "type": "google.rpc.ErrorInfo", "value": "CgFSEgFk" }]);
    json!({ "code": code, "message": PROBLEM, "details": details })
}

#[tokio::test(flavor = "multi_thread")]
async fn unary_errors_of_connect_have_the_http_status_of_their_code() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for (number, (name, status)) in (1..).zip(CODES) {
            let body = order(number).encode_to_vec();
            let response = client.post(UNARY, PROTO, &[], body).await;
            assert_eq!(response.status(), status, "{name}");
            // An error is JSON for a client of protobuf too.
            assert_eq!(header(&response, "content-type"), JSON);
            assert_eq!(json(&response), error(name));
            let body = json!({ "code": number }).to_string();
            let response = client.post(UNARY, JSON, &[], body).await;
            assert_eq!(
                (response.status(), json(&response)),
                (status.try_into().expect("a status"), json!({ "code": name }))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_connects_streams_are_in_their_last_message() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for (number, (name, _)) in (1..).zip(CODES) {
            let body = envelope(0, order(number).encode_to_vec());
            for path in [SERVER_STREAM, CLIENT_STREAM, BIDI_STREAM] {
                let response = client.post(path, CONNECT_PROTO, &[], body.clone()).await;
                assert_eq!(connect_stream(&response), (vec![], json!({ "error": error(name) })));
            }
        }
        let body = envelope(0, r#"{"text": "a", "replies": 2, "code": 5}"#);
        for path in [SERVER_STREAM, BIDI_STREAM] {
            let response = client.post(path, CONNECT_JSON, &[], body.clone()).await;
            let replies = vec![json!({ "text": "a 1" }), json!({ "text": "a 2" })];
            let end = json!({ "error": { "code": "not_found" } });
            assert_eq!(connect_stream(&response), (replies, end), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_grpc_web_are_statuses_of_grpc() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for (number, (name, _)) in (1..).zip(CODES) {
            for (path, replies) in [(UNARY, 0), (SERVER_STREAM, 0), (SERVER_STREAM, 2)] {
                let order = Order { replies, ..order(number) };
                let body = envelope(0, order.encode_to_vec());
                let response = client.post(path, GRPC_WEB, &[], body).await;
                let (messages, trailers) = grpc_web(&response);
                assert_eq!(messages.len(), replies as usize, "{name}");
                let status = tonic::Status::from_header_map(&trailers).expect("a status");
                assert_eq!((status.code() as i32, status.message()), (number, PROBLEM));
                let details = tonic_types::pb::Status::decode(status.details()).expect("details");
                assert_eq!(details.details, [detail()]);
            }
        }
    }
}
