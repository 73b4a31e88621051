//! What a stream needs to know of the body that it sends.

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
    /// Returns whether the body has all of its frames. Then it is asked for an early end only while
    /// the client does not read.
    fn is_complete(&self) -> bool;

    /// Takes the trailers of a complete body of which nothing else is left, if they are the same
    /// for all bodies: then they need not be made for each. They must not have fields that are about
    /// a connection (RFC 9113, section 8.2.2).
    fn take_shared_trailers(self: Pin<&mut Self>) -> Option<&'static HeaderMap> {
        None
    }

    /// Resolves with trailers if the body must end before its frames do, at a deadline or at
    /// the bound of the drain. It is polled instead of the frames while the client does not
    /// read: `blocked_since` is the time when it took the last byte.
    fn poll_early_end(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        blocked_since: Option<Instant>,
    ) -> Poll<HeaderMap>;
}
