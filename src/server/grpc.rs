//! The service as tonic's generated code wants to call it.

use tonic::{Request, Response, Status};

use crate::{
    proto::{SampleRequest, SampleResponse, sample_service_server::SampleService},
    service::Sample,
};

#[tonic::async_trait]
impl SampleService for Sample {
    async fn call(
        &self,
        request: Request<SampleRequest>,
    ) -> Result<Response<SampleResponse>, Status> {
        let encoding = request.metadata().get("grpc-encoding");
        let compressed = encoding.is_some_and(|encoding| encoding != "identity");
        // By its path: `self.call` would be this very function.
        let mut answer = Response::new(Sample::call(self, request.into_inner()).await);
        if !compressed {
            // Many clients accept compression that did not ask for it, and pay
            // for it with every call.
            answer.disable_compression();
        }
        Ok(answer)
    }
}
