//! Server reflection, in both of its versions.

use tokio_stream::{StreamExt, once};
use tonic::{Code, Status, transport::Channel};

use crate::support::InProcess;

#[tokio::test]
async fn lists_the_services_in_both_versions() {
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
async fn can_be_switched_off() {
    let server = InProcess::start(&[("reflection.enabled", "false")]).await;
    let v1 = v1(server.connect().await).await.expect_err("not served");
    let v1alpha = v1alpha(server.connect().await).await.expect_err("not served");
    assert_eq!([v1.code(), v1alpha.code()], [Code::Unimplemented; 2]);
}

/// The two versions are alike but for their types.
macro_rules! list_services {
    ($version:ident) => {
        async fn $version(channel: Channel) -> Result<Vec<String>, Status> {
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest,
                server_reflection_response::MessageResponse,
            };
            let request = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::ListServices(String::new())),
            };
            let mut client = ServerReflectionClient::new(channel);
            let mut answers = client.server_reflection_info(once(request)).await?.into_inner();
            match answers.next().await.expect("an answer")?.message_response {
                Some(MessageResponse::ListServicesResponse(list)) => {
                    Ok(list.service.into_iter().map(|service| service.name).collect())
                }
                other => panic!("not a list: {other:?}"),
            }
        }
    };
}

list_services!(v1);
list_services!(v1alpha);
