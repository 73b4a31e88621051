//! The body of a response, with what its stream needs to know.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use tokio::time::Instant;

/// The body of a response.
pub trait ResponseBody: Body<Data = Bytes> {
    /// Returns whether all frames of the body are ready. If they are, `poll_early_end` is polled
    /// only while the client does not read.
    fn is_complete(&self) -> bool;

    /// Takes the trailers of a complete body that has no other frames left. Returns `None` if they
    /// are not static; static trailers need not be made for each response. They must not have
    /// fields that are about a connection (RFC 9113, section 8.2.2).
    fn take_shared_trailers(self: Pin<&mut Self>) -> Option<&'static HeaderMap> {
        None
    }

    /// Resolves with trailers if the body must end before its last frame: at a deadline, or at
    /// the bound of the drain. While the client does not read, this is polled instead of the
    /// frames, and `blocked_since` is the time when the client took the last byte.
    fn poll_early_end(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        blocked_since: Option<Instant>,
    ) -> Poll<HeaderMap>;
}
