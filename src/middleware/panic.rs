//! A panic in a handler is an answer, not the end of a connection.

use std::any::Any;

use tonic::body::Body;
use tower_http::catch_panic::ResponseForPanic;

use super::Cause;
use crate::telemetry::Telemetry;

/// INTERNAL for the caller, without a word of what happened: that is in the log
/// already, from the hook of [`crate::telemetry::log`]. Counted.
#[derive(Debug, Clone)]
pub struct AnswerPanic(pub Telemetry);

impl ResponseForPanic for AnswerPanic {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, _: Box<dyn Any + Send>) -> http::Response<Body> {
        self.0.panicked();
        Cause::Panicked.response()
    }
}
