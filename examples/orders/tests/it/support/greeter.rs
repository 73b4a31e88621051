//! A SampleService for the tests, which records the metadata of its calls.

use orders::proto::{
    SampleRequest, SampleResponse,
    sample_service_server::{SampleService, SampleServiceServer},
};
use tokio::sync::mpsc;
use tonic::{Request, Response, Result, metadata::MetadataMap};

use super::InProcess;

struct Greeter(mpsc::UnboundedSender<MetadataMap>);

#[tonic::async_trait]
impl SampleService for Greeter {
    async fn call(&self, request: Request<SampleRequest>) -> Result<Response<SampleResponse>> {
        // Fails only if the test has dropped the receiver.
        let _ = self.0.send(request.metadata().clone());
        let reply = format!("hello, {}", request.into_inner().message);
        Ok(Response::new(SampleResponse { reply }))
    }
}

/// Starts a greeter. Returns it, and the metadata of each call.
pub(crate) fn start() -> (InProcess, mpsc::UnboundedReceiver<MetadataMap>) {
    let (sender, calls) = mpsc::unbounded_channel();
    let service = chassis::service!().grpc(|_| SampleServiceServer::new(Greeter(sender)));
    (InProcess::start_other(service, &[("streaming.limit", "10")]), calls)
}
