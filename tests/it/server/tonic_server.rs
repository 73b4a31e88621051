//! A service that tonic's own generator has made is served behind the same layers.

use baseline::{DESCRIPTORS, Sample, sample_service_server::SampleServiceServer};
use sample_service::proto::sample_service_client::SampleServiceClient;
use tokio::{runtime::Handle, sync::mpsc};
use tonic::{Code, codec::CompressionEncoding, transport::Channel};

use crate::support::in_process::{connect, layers, request};

/// Starts a server of the generated service. It ends with the test.
async fn start(descriptors: Option<&'static [u8]>, changes: &[(&'static str, &str)]) -> Channel {
    let service = chassis::service!().tonic(descriptors, |_| SampleServiceServer::new(Sample));
    let server = service.bind(&layers(changes), &Handle::current()).expect("a free port");
    let address = server.address().to_string();
    // Without a sender, nothing shuts the server down.
    let (_, shutdown) = mpsc::channel(1);
    tokio::spawn(server.run(shutdown));
    connect(&address).await
}

#[tokio::test]
async fn calls_are_served_plain_and_compressed_with_or_without_descriptors() {
    for descriptors in [Some(DESCRIPTORS), None] {
        let channel = start(descriptors, &[]).await;
        let plain = SampleServiceClient::new(channel);
        let compressed = plain
            .clone()
            .send_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Gzip);
        for mut client in [plain, compressed] {
            let reply = client.call(request("hello")).await.expect("a reply").into_inner();
            assert_eq!(reply.reply, "reply for hello");
        }
    }
}

#[tokio::test]
async fn messages_have_the_limit_of_the_settings() {
    for descriptors in [Some(DESCRIPTORS), None] {
        let channel = start(descriptors, &[("limits.message", "1KiB")]).await;
        let mut client = SampleServiceClient::new(channel);
        let large = client.call(request(&"x".repeat(2000))).await.expect_err("it is too large");
        assert_eq!(large.code(), Code::ResourceExhausted, "{large}");
    }
}
