//! Server reflection, in both of its versions.

use tokio_stream::{StreamExt, once};
use tonic::{Code, Status, transport::Channel};

use crate::support::in_process::InProcess;

#[tokio::test]
async fn reflection_lists_and_describes_the_services_in_both_versions() {
    let server = InProcess::start(&[]).await;
    for services in [
        v1(server.connect().await).await.expect("v1 is served"),
        v1alpha(server.connect().await).await.expect("v1alpha is served"),
    ] {
        assert!(services.contains(&"SampleService".to_owned()), "{services:?}");
        assert!(services.contains(&"grpc.health.v1.Health".to_owned()), "{services:?}");
    }
}

#[tokio::test]
async fn reflection_can_be_switched_off() {
    let server = InProcess::start(&[("reflection.enabled", "false")]).await;
    let v1 = v1(server.connect().await).await.expect_err("not served");
    let v1alpha = v1alpha(server.connect().await).await.expect_err("not served");
    assert_eq!([v1.code(), v1alpha.code()], [Code::Unimplemented; 2]);
}

/// Returns the services that reflection lists, and asserts that it describes each. A macro, because
/// the two versions differ only in their types.
macro_rules! listed_services {
    ($version:ident) => {
        async fn $version(channel: Channel) -> Result<Vec<String>, Status> {
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest,
                server_reflection_response::MessageResponse,
            };
            let client = ServerReflectionClient::new(channel);
            let ask = async |message_request| {
                let request = ServerReflectionRequest {
                    host: String::new(),
                    message_request: Some(message_request),
                };
                let mut responses =
                    client.clone().server_reflection_info(once(request)).await?.into_inner();
                Ok::<_, Status>(responses.next().await.expect("a response")?.message_response)
            };
            let list = match ask(MessageRequest::ListServices(String::new())).await? {
                Some(MessageResponse::ListServicesResponse(list)) => list,
                other => panic!("not a list: {other:?}"),
            };
            let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
            for name in &names {
                let described = ask(MessageRequest::FileContainingSymbol(name.clone())).await?;
                let is_described =
                    matches!(described, Some(MessageResponse::FileDescriptorResponse(_)));
                assert!(is_described, "{name}: {described:?}");
            }
            Ok(names)
        }
    };
}

listed_services!(v1);
listed_services!(v1alpha);
