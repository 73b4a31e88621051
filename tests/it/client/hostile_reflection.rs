//! Wrong responses of a server's reflection are errors of the client, and never panics.

use std::sync::Arc;

use prost::Message;
use prost_types::{
    DescriptorProto, FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto,
};
use tokio::net::TcpListener;
use tokio_stream::{StreamExt, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream, transport::Server};
use tonic_reflection::pb::v1::{
    ErrorResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
    server_reflection_request::MessageRequest,
    server_reflection_response::MessageResponse,
    server_reflection_server::{ServerReflection, ServerReflectionServer},
};

use crate::support::process::{command, stderr};

type Respond = Arc<dyn Fn(MessageRequest) -> Option<MessageResponse> + Send + Sync>;

struct Hostile(Respond);

#[tonic::async_trait]
impl ServerReflection for Hostile {
    type ServerReflectionInfoStream = BoxStream<ServerReflectionResponse>;

    async fn server_reflection_info(
        &self,
        requests: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let respond = Arc::clone(&self.0);
        let responses = requests.into_inner().map(move |request| {
            let message_response = request?.message_request.and_then(|request| respond(request));
            Ok(ServerReflectionResponse { message_response, ..Default::default() })
        });
        Ok(Response::new(Box::pin(responses)))
    }
}

/// Calls a method of a server with this reflection, and returns the exit code and the error.
async fn call(
    respond: impl Fn(MessageRequest) -> Option<MessageResponse> + Send + Sync + 'static,
) -> (Option<i32>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let service = ServerReflectionServer::new(Hostile(Arc::new(respond)));
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    let arguments = ["call", "/a.Service/Method", "--timeout", "60s", "--address", &address];
    let mut command = command(&arguments);
    let output = tokio::task::spawn_blocking(move || command.output().expect("it runs"));
    let output = output.await.expect("no panic");
    (output.status.code(), stderr(&output))
}

fn files(files: Vec<Vec<u8>>) -> Option<MessageResponse> {
    let response = FileDescriptorResponse { file_descriptor_proto: files };
    Some(MessageResponse::FileDescriptorResponse(response))
}

/// Returns a file with the service that imports these files.
fn file(name: &str, imports: &[&str], input: &str) -> FileDescriptorProto {
    let method = MethodDescriptorProto {
        name: Some("Method".to_owned()),
        input_type: Some(input.to_owned()),
        output_type: Some(input.to_owned()),
        ..Default::default()
    };
    FileDescriptorProto {
        name: Some(name.to_owned()),
        package: Some("a".to_owned()),
        dependency: imports.iter().map(|name| (*name).to_owned()).collect(),
        service: vec![ServiceDescriptorProto {
            name: Some("Service".to_owned()),
            method: vec![method],
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_descriptors_are_an_error_of_the_server() {
    let deep = (0..1000).fold(DescriptorProto::default(), |inner, _| DescriptorProto {
        name: Some("M".to_owned()),
        nested_type: vec![inner],
        ..Default::default()
    });
    // Nested by hand, because prost does not decode descriptors of this depth.
    let deep = FileDescriptorProto { message_type: vec![deep], ..Default::default() };
    let escape = FileDescriptorProto { package: Some("\x1b[2J".to_owned()), ..Default::default() };
    let twice = [file("1", &[], ".a.M").encode_to_vec(), file("2", &[], ".a.M").encode_to_vec()];
    for (sent, error) in [
        (vec![vec![0xff; 100]], "a varint that does not end"),
        (vec![b"\x0a\x7fa".to_vec()], "the message ends within a field"),
        (vec![deep.encode_to_vec()], "messages are nested too deep"),
        (vec![escape.encode_to_vec()], "\"\\u{1b}[2J\" is not a name"),
        (
            vec![file("f", &[], ".a.M").encode_to_vec()],
            "the type \"a.M\", which a.Service uses, is not declared",
        ),
        (twice.to_vec(), "a.Service is declared twice"),
    ] {
        let (code, text) = call(move |_| files(sent.clone())).await;
        let begin = "error: INTERNAL: the reflection of the server is malformed: ";
        assert!(text.starts_with(begin) && text.contains(error), "{error}: {text}");
        assert_eq!(code, Some(3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn circular_imports_are_followed_once_and_endless_ones_are_an_error() {
    let message = |name: &str, imports: &[&str]| {
        let message = DescriptorProto { name: Some("M".to_owned()), ..Default::default() };
        let plain = FileDescriptorProto { service: Vec::new(), ..file(name, imports, "") };
        FileDescriptorProto { message_type: vec![message], ..plain }
    };
    let (code, text) = call(move |request| match request {
        MessageRequest::FileByFilename(_) => files(vec![message("2", &["1"]).encode_to_vec()]),
        _ => files(vec![file("1", &["2", "1"], ".a.M").encode_to_vec()]),
    })
    .await;
    // The schema is complete, and the server does not have the method.
    assert!(text.starts_with("error: UNIMPLEMENTED"), "{text}");
    assert_eq!(code, Some(3));

    // Each file imports three others.
    let (code, text) = call(|request| {
        let name = match request {
            MessageRequest::FileByFilename(name) => name,
            _ => "f".to_owned(),
        };
        let imports: Vec<_> = (0..3).map(|index| format!("{name}{index}")).collect();
        let dependency = imports;
        files(vec![
            FileDescriptorProto { name: Some(name), dependency, ..Default::default() }
                .encode_to_vec(),
        ])
    })
    .await;
    assert!(text.contains("malformed: the schema is too large"), "{text}");
    assert_eq!(code, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_responses_than_a_file_are_an_error() {
    let (code, text) = call(|_| None).await;
    assert!(text.contains("malformed: a response is empty"), "{text}");
    assert_eq!(code, Some(3));

    let list = ListServiceResponse { service: vec![ServiceResponse { name: "\x1b[2J".into() }] };
    let (code, text) =
        call(move |_| Some(MessageResponse::ListServicesResponse(list.clone()))).await;
    assert!(text.contains("malformed: it sent services, and was asked for a file"), "{text}");
    assert_eq!(code, Some(3));

    let error = |error_code| {
        let error = ErrorResponse { error_code, error_message: "\x1b[2J".to_owned() };
        Some(MessageResponse::ErrorResponse(error))
    };
    for (number, expected) in [(13, "INTERNAL"), (0, "UNKNOWN"), (-1, "UNKNOWN")] {
        let (code, text) = call(move |_| error(number)).await;
        assert_eq!(text, format!("error: {expected}: \\u001b[2J\n"));
        assert_eq!(code, Some(3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_services_are_escaped() {
    let (code, text) = call(|request| match request {
        MessageRequest::ListServices(_) => {
            let service = vec![ServiceResponse { name: "\x1b[2J".to_owned() }];
            Some(MessageResponse::ListServicesResponse(ListServiceResponse { service }))
        }
        _ => Some(MessageResponse::ErrorResponse(ErrorResponse {
            error_code: 5,
            error_message: String::new(),
        })),
    })
    .await;
    assert_eq!(text, "error: the server has no a.Service; its services are \\u001b[2J\n");
    assert_eq!(code, Some(1));
}
