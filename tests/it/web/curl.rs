//! curl calls the server, with commands such as people type.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use crate::support::{
    curl::{Curl, VERSIONS},
    process::{ServerProcess, stdout},
    program::program,
};

const CALL: &str = "/SampleService/Call";

#[test]
fn the_command_of_the_readme_prints_the_reply() {
    let server = ServerProcess::start(&[]);
    let (_, port) = server.address.rsplit_once(':').expect("a port");
    let url = format!("localhost:{port}/SampleService/Call");
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let Some(mut curl) = program("curl", "curl") else { return };
        let output =
            curl.args(["--silent", version]).args(["--json", r#"{"message":"hi"}"#, &url]).output();
        assert_eq!(stdout(&output.expect("it runs")), r#"{"reply":"reply for hi"}"#, "{version}");
    }
}

#[test]
fn calls_and_health_are_json_over_both_versions_of_http() {
    let Some(curl) = Curl::start() else { return };
    let (call, health) = (curl.url(CALL), curl.url("/grpc.health.v1.Health/Check"));
    for version in VERSIONS {
        let said = curl.run(
            version,
            &[
                &["--json", r#"{"message":"hi"}"#, &call],
                &["--json", "{}", &health],
                &["--json", r#"{"service":"SampleService"}"#, &health],
                &["--json", r#"{"message":"hi"}"#, "--compressed", &call],
                // The body comes in chunks, because curl does not know its length.
                &["--json", r#"{"message":"hi"}"#, "-H", "transfer-encoding: chunked", &call],
            ],
        );
        let bodies: Vec<_> = said.iter().map(|said| (said.status, &*said.body)).collect();
        let (reply, serving) = (r#"{"reply":"reply for hi"}"#, r#"{"status":"SERVING"}"#);
        let expected = [reply, serving, serving, reply, reply].map(|body| (200, body));
        assert_eq!(bodies, expected, "{version}");
        let connects: Vec<_> = said.iter().map(|said| said.connects).collect();
        assert_eq!(connects, [1, 0, 0, 0, 0], "{version}");
        assert_eq!(said[0].header("content-type"), "application/json");
    }
}

/// The arguments of a request, and the status, a header and a text of its response.
type Refused<'a> = (&'a [&'a str], u16, (&'a str, &'a str), &'a str);

#[test]
fn a_refused_request_says_why_and_its_connection_stays_open() {
    let Some(curl) = Curl::start() else { return };
    let (call, none) = (curl.url(CALL), curl.url("/SampleService/None"));
    let nested = curl.file(&"[".repeat(10_000));
    let good = ["--json", r#"{"message":"hi"}"#, &call];
    for version in VERSIONS {
        let accepted = "application/grpc, application/grpc-web+proto, \
                        application/grpc-web-text+proto, application/json, application/proto";
        let no = ("allow", "");
        let requests: [Refused<'_>; 9] = [
            (&["--json", r#"{"massage":"hi"}"#, &call], 400, no, "massage"),
            (&["--json", "{}", &none], 404, no, "no such method"),
            (&["-d", "hi", &call], 415, ("accept-post", accepted), "application/json"),
            (&["-X", "PUT", "--json", "{}", &call], 405, ("allow", "POST"), "POST"),
            (&[&call], 405, ("allow", "POST"), "POST"),
            (&["-X", "GET", "--json", "{}", &call], 405, ("allow", "POST"), "POST"),
            (&["--json", r#"{"message":"h"#, &call], 400, no, "EOF"),
            (&["--json", &nested, &call], 400, no, "recursion limit"),
            (&["--json", r#"{"message":"a","message":"b"}"#, &call], 400, no, "message"),
        ];
        for (arguments, status, header, text) in requests {
            let said = curl.run(version, &[arguments, &good]);
            let (refused, served) = (&said[0], &said[1]);
            assert_eq!(refused.status, status, "{arguments:?}: {}", refused.body);
            assert_eq!(refused.header(header.0), header.1, "{arguments:?}");
            assert!(refused.body.contains(text), "{arguments:?}: {}", refused.body);
            if status == 400 {
                assert_eq!(refused.json()["code"], "invalid_argument", "{}", refused.body);
            }
            assert_eq!((served.status, served.connects), (200, 0), "{version} {arguments:?}");
        }
    }
}

#[test]
fn a_wrong_field_is_a_violation_in_the_details() {
    let Some(curl) = Curl::start() else { return };
    let url = curl.url(CALL);
    let said = &curl.run(VERSIONS[0], &[&["--json", r#"{"message":1}"#, &url]])[0];
    let detail = &said.json()["details"][0];
    assert_eq!(detail["type"], "google.rpc.BadRequest");
    let value = detail["value"].as_str().expect("base64");
    let bytes = STANDARD_NO_PAD.decode(value);
    let bad = prost::Message::decode(&*bytes.expect("base64"));
    let bad: tonic_types::pb::BadRequest = bad.expect("a message");
    assert_eq!(bad.field_violations[0].field, "message");
    assert!(said.json()["message"].as_str().is_some_and(|text| text.contains("message")));
}

#[test]
fn a_request_above_the_limit_gets_both_sizes() {
    let Some(curl) = Curl::start() else { return };
    let url = curl.url(CALL);
    let digits = curl.file(&"1".repeat(5_000_000));
    for version in VERSIONS {
        // By default, curl sends `expect: 100-continue`: it asks before it sends a large body.
        for header in ["expect:", "expect: 100-continue"] {
            let large: &[&str] = &["--json", &digits, "-H", header, &url];
            let said = curl.run(version, &[large, &["--json", "{}", &url]]);
            assert_eq!(said[0].status, 429, "{version} {header}");
            let error = said[0].json();
            assert_eq!(error["code"], "resource_exhausted", "{error}");
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains("5000000") && message.contains("4194304"), "{error}");
            assert_eq!(said[1].status, 200, "{version} {header}");
            // With HTTP/1, curl itself closes a connection if it cannot send the whole body.
            if version == "--http2" {
                assert_eq!(said[1].connects, 0, "{header}");
            }
        }
    }
}
