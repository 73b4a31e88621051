//! How a connection ended.

use crate::abuse::Abuse;

/// How a connection ended.
#[derive(Debug)]
pub enum Ended {
    /// The peer closed it, or agreed to its end.
    Closed,
    /// An error: the peer went away, was silent, or broke the protocol.
    Failed(String),
    /// The peer did too much of something that makes work and brings nothing.
    Abused(Abuse),
    /// It was still open when it had to stop.
    Cut,
}
