//! What an outgoing call inherits from the incoming call that causes it.

use http::HeaderValue;
use opentelemetry::Context;
use tokio::time::Instant;

/// The incoming call on whose behalf an outgoing call is made.
///
/// A server adds it to the extensions of the outgoing request, and the channel reads it
/// there. The outgoing call then ends at the parent's deadline at the latest, its span is
/// part of the parent's trace, and it carries the parent's `x-request-id`.
#[derive(Debug, Clone)]
pub struct ParentCall {
    /// When the incoming call ends at the latest; `None` if it has no deadline.
    pub deadline: Option<Instant>,
    /// The value of `x-request-id`.
    pub request_id: HeaderValue,
    /// The trace context of the incoming call. It has a valid span context if spans are
    /// recorded here.
    pub trace: Context,
    /// The `traceparent` that the incoming call carried. It is passed on unchanged if
    /// spans are not recorded here.
    pub traceparent: Option<HeaderValue>,
}
