//! How a connection ended.

/// How a connection ended.
#[derive(Debug)]
pub enum Ended {
    /// The peer closed it, or agreed to its end.
    Closed,
    /// An error: the peer went away, was silent, or broke the protocol.
    Failed(String),
    /// It was still open when it had to stop.
    Cut,
}
