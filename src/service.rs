//! The handlers of the service.
//!
//! To make the service your own, start here.

use std::time::Duration;

use tokio::time::sleep;
use tonic::{Request, Response, Status};

use crate::proto::{SampleRequest, SampleResponse, sample_service_server::SampleService};

/// The service of the tutorial.
#[derive(Debug, Clone)]
pub struct Sample {
    work: Duration,
}

impl Sample {
    /// Returns the service. Each call simulates work for `work`.
    pub fn new(work: Duration) -> Self {
        Self { work }
    }
}

#[tonic::async_trait]
impl SampleService for Sample {
    /// Replies `reply for {message}` to any message, the empty one included.
    async fn call(
        &self,
        request: Request<SampleRequest>,
    ) -> Result<Response<SampleResponse>, Status> {
        let SampleRequest { message } = request.into_inner();
        // As the tutorial prints it, and at debug, because a message can be private. A line
        // break in the message does not begin another line.
        tracing::debug!("request : {}", message.replace('\n', "\\n"));
        if !self.work.is_zero() {
            // A timer of tokio ends on the next whole millisecond, half a millisecond late on
            // average.
            sleep(self.work.saturating_sub(Duration::from_micros(500))).await;
        }
        Ok(Response::new(SampleResponse { reply: format!("reply for {message}") }))
    }
}
