//! The settings of a connection.

use std::{sync::Arc, time::Duration};

use crate::{
    held::Held,
    refused::{Observer, Refused},
};

/// The limits of a connection.
#[derive(Debug, Clone)]
pub struct Settings {
    /// SETTINGS_MAX_CONCURRENT_STREAMS.
    pub streams: u32,
    /// SETTINGS_MAX_HEADER_LIST_SIZE in bytes.
    pub header_list: u32,
    /// The most fields that a request or its trailers may have. The h2 crate has no such limit.
    pub header_fields: usize,
    /// The receive window of one stream, and of the connection, in bytes. That of the connection
    /// has at least 65,535.
    pub window: u32,
    /// The time without a byte from the peer after which it is sent a PING; zero for never.
    pub keepalive_interval: Duration,
    /// The time for the acknowledgement of a PING.
    pub keepalive_timeout: Duration,
    /// Where calls run. On the h2 crate, each has a task.
    pub calls: CallMode,
    /// Counts what the connection holds. On the h2 crate nothing is counted.
    pub held: Arc<Held>,
    /// Is told of requests that are refused. Of those that the h2 crate refuses it is not told.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Settings {
    /// Tells the observer.
    pub(crate) fn report(&self, why: Refused) {
        if let Some(observer) = &self.observer {
            observer.refused(why);
        }
    }
}

/// Where the calls of a connection run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallMode {
    /// In the task of the connection: the fastest way on one thread.
    InPlace,
    /// In a task each: a call that computes holds up neither its connection nor other calls.
    Tasks,
}
