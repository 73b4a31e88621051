//! How a connection ended.

use crate::{abuse::Abuse, reason::Reason};

/// How a connection ended.
#[derive(Debug)]
pub enum Ended {
    /// The peer closed it, or agreed to its end.
    Closed,
    /// The peer went away, or the transport failed.
    Failed(String),
    /// The peer broke a rule of the protocol: the error code that it was sent, and the rule.
    Violated(Reason, &'static str),
    /// The peer did not acknowledge a PING in time.
    Silent,
    /// The peer did too much of something that makes work and brings nothing.
    Abused(Abuse),
    /// It was still open when it had to stop.
    Cut,
}
