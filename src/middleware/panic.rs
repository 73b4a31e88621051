//! A panic in a handler is an answer, not the end of a connection.

use std::any::Any;

use tonic::{Status, body::Body};
use tower_http::catch_panic::ResponseForPanic;

/// INTERNAL for the caller, without a word of what happened: that goes to the log.
#[derive(Debug, Clone, Copy)]
pub struct AnswerPanic;

impl ResponseForPanic for AnswerPanic {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, payload: Box<dyn Any + Send>) -> http::Response<Body> {
        let message = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("(no message)");
        tracing::error!(message, "a handler panicked");
        Status::internal("the service failed while it handled the call").into_http()
    }
}
