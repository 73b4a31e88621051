//! The settings of a connection.

use std::time::Duration;

/// The limits of a connection.
#[derive(Debug, Clone)]
pub struct Settings {
    /// SETTINGS_MAX_CONCURRENT_STREAMS.
    pub streams: u32,
    /// SETTINGS_MAX_HEADER_LIST_SIZE in bytes.
    pub header_list: u32,
    /// The receive window of one stream, and of the connection, in bytes.
    pub window: u32,
    /// The time without a byte from the peer after which it is sent a PING; zero for never.
    pub keepalive_interval: Duration,
    /// The time for the acknowledgement of a PING.
    pub keepalive_timeout: Duration,
}
