//! The business logic and nothing else: no transport, no status, no limit.
//!
//! To make this service your own, start here.

use std::time::Duration;

use tokio::time::sleep;

use crate::proto::{SampleRequest, SampleResponse};

/// The service of the tutorial.
#[derive(Debug, Clone)]
pub struct Sample {
    work: Duration,
}

impl Sample {
    /// A service whose calls each take `work` before they answer.
    pub fn new(work: Duration) -> Self {
        Self { work }
    }

    /// Replies `reply for {message}`, for any message, the empty one included.
    pub async fn call(&self, request: SampleRequest) -> SampleResponse {
        let SampleRequest { message } = request;
        // As the tutorial prints it; below info, for a message can be private.
        // One line a request, whatever is in it.
        tracing::debug!("request : {}", message.replace('\n', "\\n"));
        if !self.work.is_zero() {
            // tokio's timers end on the next whole millisecond: half of one less
            // is right on average.
            sleep(self.work.saturating_sub(Duration::from_micros(500))).await;
        }
        SampleResponse { reply: format!("reply for {message}") }
    }
}
