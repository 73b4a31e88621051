//! How `sample-service call` shows statuses, and the limits of message sizes.

use prost::Message;
use prost_types::Any;
use serde_json::json;
use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt, pb};

use crate::support::{
    frames::{Frames, GRPC, MALFORMED, NOT_FOUND, OK, serve},
    process::{ServerProcess, event, run, run_with_input, stderr, stdout},
};

/// Returns the frames of a status with these bytes as details, in base64.
fn status(details: &[u8]) -> Frames {
    let value = tonic::metadata::BinaryMetadataValue::from_bytes(details);
    let details = ("grpc-status-details-bin", value.as_encoded_bytes());
    Frames::only(&[GRPC, NOT_FOUND, ("grpc-message", b"no \x9b31m book"), details])
}

fn call(address: &str, more: &[&str]) -> std::process::Output {
    run(&[&["call", "hello", "--timeout", "60s", "--address", address], more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn details_of_a_status_are_shown_by_type_and_content() {
    let mut details = ErrorDetails::new();
    details.set_resource_info("book", "books/\u{202e}1", "", "it is gone");
    let with_details = tonic::Status::with_error_details(Code::NotFound, "", details);
    let address = serve(status(with_details.details())).await;
    let output = call(&address, &[]);
    assert_eq!(
        stderr(&output),
        "error: NOT_FOUND: no \u{fffd}31m book\n  google.rpc.ResourceInfo: \
         {\"description\":\"it is gone\",\"resourceName\":\"books/\\u202e1\",\
         \"resourceType\":\"book\"}\n"
    );
    let output = call(&address, &["--json"]);
    assert_eq!(output.status.code(), Some(3));
    let mut error = json!({
        "code": "NOT_FOUND",
        "message": "no \u{fffd}31m book",
        "details": [{
            "@type": "type.googleapis.com/google.rpc.ResourceInfo",
            "resourceType": "book",
            "resourceName": "books/\u{202e}1",
            "description": "it is gone",
        }],
    });
    assert_eq!(event(&stdout(&output))["error"], error);

    let output = run(&["health", "--json", "--timeout", "60s", "--address", &address]);
    error["kind"] = "call".into();
    assert_eq!(event(&stdout(&output)), json!({ "error": error, "exit_code": 3 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn details_that_cannot_be_decoded_are_reported() {
    let mut dropped = Frames::only(&[GRPC, NOT_FOUND, MALFORMED]);
    for (frames, reason) in [
        (
            std::mem::take(&mut dropped),
            "the details of the status were dropped: they are not base64",
        ),
        (status(b"\xff"), "the details of the status cannot be read: "),
        (
            status(
                &pb::Status {
                    details: vec![Any {
                        type_url: "type.googleapis.com/google.rpc.Help".to_owned(),
                        value: vec![0xff],
                    }],
                    ..pb::Status::default()
                }
                .encode_to_vec(),
            ),
            "the details of the status cannot be read: ",
        ),
    ] {
        let address = serve(frames).await;
        let error = &event(&stdout(&call(&address, &["--json"])))["error"];
        assert_eq!(error["code"], "NOT_FOUND");
        let shown = error["details_error"].as_str().expect("a reason");
        assert!(shown.starts_with(reason), "{shown}");
        assert!(stderr(&call(&address, &[])).contains(reason));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn control_characters_of_a_reply_are_escaped_except_in_json() {
    let reply = crate::support::wire::text("\u{1b}[31m\r\u{9b}");
    let message = crate::support::wire::message(false, &reply);
    let address = serve(Frames::head(&[GRPC]).data(&message).trailers(&[OK])).await;
    assert_eq!(stdout(&call(&address, &[])), "request : hello\nresponse : \\u001b[31m\\r\\u009b\n");
    assert_eq!(event(&stdout(&call(&address, &["--json"])))["response"], "\u{1b}[31m\r\u{9b}");
}

#[test]
fn the_reply_to_the_largest_message_is_read_unless_max_message_is_smaller() {
    let server = ServerProcess::start(&[]);
    // The key and the length of the field take 5 bytes more.
    let largest = "x".repeat((4 << 20) - 5);
    let call = |more: &[&str]| {
        let arguments = ["call", "-", "--timeout", "60s", "--address", &server.address];
        run_with_input(&[&arguments, more].concat(), &largest)
    };
    let output = call(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = call(&["--max-message", "4MiB"]);
    let error = stderr(&output);
    assert!(
        error.starts_with("error: RESOURCE_EXHAUSTED: a response message has 41943"),
        "{error}"
    );
    assert!(error.ends_with("and the limit is 4194304\n"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_above_the_default_limit_can_be_allowed() {
    let large = "x".repeat(5 << 20);
    let reply = crate::support::wire::message(
        true,
        &crate::support::wire::gzip(&crate::support::wire::text(&large)),
    );
    let head = Frames::head(&[GRPC, ("grpc-encoding", b"gzip")]);
    let address = serve(head.data(&reply).trailers(&[OK])).await;
    assert!(stderr(&call(&address, &[])).starts_with("error: RESOURCE_EXHAUSTED: "));
    let output = call(&address, &["--max-message", "6MiB"]);
    assert_eq!(stdout(&output).trim_end(), format!("request : hello\nresponse : {large}"));
}
