//! A status shows at most 128 characters of a caller's text.

use tokio_stream::{StreamExt, iter};
use tonic::Code;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::own_calls::CHECK;
use crate::support::{
    in_process::{InProcess, connect},
    wire::{Caller, message, text},
};

/// Longer than clients and proxies accept for one header field.
const LONG: usize = 10_000;

#[tokio::test]
async fn a_name_of_health_is_cut_between_characters() {
    let server = InProcess::start(&[]).await;
    let mut caller = Caller::connect(&server.address).await;
    for character in ["x", "\u{e9}", "\u{1f980}"] {
        let name = text(&character.repeat(250));
        let response = caller.call_at(CHECK, &[], message(false, &name)).await;
        assert_eq!(response.code(), Code::NotFound);
        let shown = format!("there is no health of \"{}\"", character.repeat(128));
        assert_eq!(response.status().message(), shown);
    }
}

#[tokio::test]
async fn encodings_and_paths_are_cut() {
    let server = InProcess::start(&[]).await;
    let mut caller = Caller::connect(&server.address).await;
    let long = "x".repeat(LONG);
    for (path, encoding) in
        [("/SampleService/Call", &*long), (CHECK, &long), (&*format!("/{long}/{long}"), "identity")]
    {
        let headers = [("grpc-encoding", encoding)];
        // The path and the encoding together are below the limit of the header list.
        let response = caller.call_at(&path[..path.len().min(LONG)], &headers, message(false, &[]));
        let status = response.await.status();
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().len() < 256, "{status}");
        assert!(!status.message().contains(&"x".repeat(129)), "{status}");
    }
}

#[tokio::test]
async fn a_symbol_that_reflection_does_not_find_is_an_error_response_and_the_stream_goes_on() {
    let server = InProcess::start(&[]).await;
    let mut client = ServerReflectionClient::new(connect(&server.address).await);
    let long = "\u{20ac}".repeat(5000);
    let asked = [
        Some(MessageRequest::FileContainingSymbol(long.clone())),
        Some(MessageRequest::FileByFilename(long)),
        Some(MessageRequest::FileContainingExtension(Default::default())),
        None,
        Some(MessageRequest::FileContainingSymbol("grpc.health.v1.Health.List".to_owned())),
    ];
    let requests = asked.map(|message_request| ServerReflectionRequest {
        message_request,
        ..ServerReflectionRequest::default()
    });
    let responses = client.server_reflection_info(iter(requests)).await.expect("a stream");
    let responses: Vec<_> = responses.into_inner().collect().await;
    assert_eq!(responses.len(), 5);
    let cut = "\u{20ac}".repeat(128);
    let errors = [
        (5, format!("there is no symbol \"{cut}\"")),
        (5, format!("there is no file \"{cut}\"")),
        (5, "extensions are not indexed".to_owned()),
        (3, "the request asks for nothing".to_owned()),
    ];
    let mut responses = responses.into_iter().map(|response| {
        response.expect("the stream does not fail").message_response.expect("a response")
    });
    for (code, text) in errors {
        let Some(MessageResponse::ErrorResponse(error)) = responses.next() else {
            panic!("it is not an error")
        };
        assert_eq!((error.error_code, error.error_message), (code, text));
    }
    // After the errors, the stream finds a method.
    let Some(MessageResponse::FileDescriptorResponse(found)) = responses.next() else {
        panic!("the method is not found")
    };
    let [file] = found.file_descriptor_proto.as_slice() else { panic!("not one file") };
    let name = b"HealthListResponse";
    assert!(file.windows(name.len()).any(|part| part == name));
}
