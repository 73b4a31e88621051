//! The target of a channel.

use std::time::Duration;

use http::HeaderValue;
use wire::trace::Tracing;

use crate::{address::Address, outlier::OutlierDetection, pick::Balance, tls::Tls};

/// The servers of a channel, and how it calls them.
#[derive(Debug, Clone)]
pub struct Target {
    /// The address of the servers.
    pub address: Address,
    /// How connections are secured; `None` for plaintext.
    pub tls: Option<Tls>,
    /// The timeout of [`Channel::connected`](crate::Channel::connected), and of each call
    /// with its retries.
    pub timeout: Duration,
    /// Whether calls wait for a connection until their deadline, even if every address has
    /// failed.
    pub wait_for_ready: bool,
    /// The maximum number of attempts per call; 1 for no retries.
    pub max_attempts: u32,
    /// How calls are balanced over the connections.
    pub balance: Balance,
    /// When servers that fail get no calls for some time; `None` for never.
    pub outlier_detection: Option<OutlierDetection>,
    /// The `user-agent` of each call. See [`user_agent`](crate::user_agent).
    pub user_agent: HeaderValue,
    /// Sends the span of each call to a collector. No spans are sent if it is `None`.
    pub tracing: Option<Tracing>,
}
