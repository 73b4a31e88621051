//! Requests that the service never gets.

use std::fmt;

/// Why a request is refused before the service is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Its header fields are too large or too many. The response is 431.
    HeaderList,
    /// It, or a later frame of its stream, breaks a rule, and the stream is reset.
    Protocol,
    /// More streams are open than the peer may open. The stream is reset.
    Streams,
    /// The peer does not speak HTTP/2. It gets a response of HTTP/1: 505.
    Version,
}

/// Receives the events that the service does not see.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A request was refused.
    fn refused(&self, why: Refused);
}
