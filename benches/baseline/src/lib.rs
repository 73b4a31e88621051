//! SampleService as tonic itself generates it.

#![allow(unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]

// "_" is prost's name for a file without a package.
tonic::include_proto!("_");

use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};

use sample_service_server::SampleServiceServer;

/// The encoded descriptor set of `sample.proto`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// A handler without work, as the tutorial has it.
#[derive(Debug, Clone)]
pub struct Sample;

#[tonic::async_trait]
impl sample_service_server::SampleService for Sample {
    async fn call(
        &self,
        request: tonic::Request<SampleRequest>,
    ) -> Result<tonic::Response<SampleResponse>, tonic::Status> {
        let SampleRequest { message } = request.into_inner();
        Ok(tonic::Response::new(SampleResponse { reply: format!("reply for {message}") }))
    }
}

/// Returns tonic's service of the handler without work.
pub fn service() -> SampleServiceServer<Sample> {
    SampleServiceServer::new(Sample)
}

/// Listens on a free port of the loopback interface. Prints the address as JSON, as the log of
/// the service has it.
pub async fn listen() -> TcpIncoming {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    println!("{{\"address\":\"{address}\"}}");
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

/// Serves with tonic's own server until the process is killed.
pub async fn serve() {
    let server = Server::builder().add_service(service());
    server.serve_with_incoming(listen().await).await.expect("it serves until it is killed");
}
