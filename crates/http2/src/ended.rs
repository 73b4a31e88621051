//! How a connection ended.

use crate::{abuse::Abuse, reason::Reason};

/// How a connection ended.
#[derive(Debug)]
pub enum Ended {
    /// The peer closed it, or it ended gracefully.
    Closed,
    /// The peer went away, or the transport failed.
    Failed(String),
    /// The peer broke a rule of the protocol: the error code that it was sent, and the rule.
    Violated(Reason, &'static str),
    /// The peer did not acknowledge a PING in time.
    Silent,
    /// It was closed because of abuse by the peer.
    Abused(Abuse),
    /// It was still open when the server had to stop.
    Cut,
}
