//! The settings of a connection.

use std::{sync::Arc, time::Duration};

use http::{Request, Response};

use crate::refused::{Observer, Refused};

/// The limits of a connection, and how it runs its calls.
///
/// Some do not apply "on the h2 crate": to a connection of the module `h2`, which uses that crate.
#[derive(Debug, Clone)]
pub struct Settings {
    /// SETTINGS_MAX_CONCURRENT_STREAMS.
    pub streams: u32,
    /// SETTINGS_MAX_HEADER_LIST_SIZE in bytes.
    pub header_list: u32,
    /// The most fields that a request or its trailers may have. The h2 crate has no such limit.
    pub header_fields: usize,
    /// The receive window of a new stream, and of the connection, in bytes. The connection's is at
    /// least 65,535.
    pub window: u32,
    /// The size up to which a window that is used up grows while the memory budget has room, in
    /// bytes. On the h2 crate, windows do not grow.
    pub max_window: u32,
    /// The time without a byte from the peer after which it is sent a PING; zero for never.
    pub keepalive_interval: Duration,
    /// The time for the acknowledgement of a PING.
    pub keepalive_timeout: Duration,
    /// The longest time in which the peer takes none of the bytes that wait to be written; zero for
    /// no limit. The h2 crate has no such limit.
    pub stalled: Duration,
    /// Where calls run. On the h2 crate, each has a task.
    pub calls: CallMode,
    /// Makes the response to a request for which the memory budget has no room. On the h2 crate,
    /// every request is served.
    pub refuse: Refuse,
    /// Receives the reason of each refused request, but not if the h2 crate refuses it.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Settings {
    /// Reports a refused request to the observer.
    pub(crate) fn report(&self, why: Refused) {
        if let Some(observer) = &self.observer {
            observer.refused(why);
        }
    }
}

/// Returns the response to a request for which there is no memory, or `None` to serve the request
/// nevertheless. The response has no body.
pub type Refuse = fn(&Request<()>) -> Option<Response<()>>;

/// Where the calls of a connection run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallMode {
    /// In the task of the connection: the fastest way on one thread.
    InPlace,
    /// In a task each: a call that computes holds up neither its connection nor other calls.
    Tasks,
}
