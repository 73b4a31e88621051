//! Which calls to make, and when.

use std::time::Duration;

use bytes::Bytes;
use tonic::{Status, metadata::MetadataMap};

/// Decodes a message, and returns INTERNAL if it cannot be decoded.
pub type CheckMessage = fn(&[u8]) -> Result<(), Status>;

/// Which calls to make, and when.
#[derive(Debug, Clone)]
pub struct Plan {
    /// When a call begins.
    pub pace: Pace,
    /// When the last call begins.
    pub amount: Amount,
    /// The number of connections to each address. In a closed loop, connections beyond the
    /// concurrency are not used.
    pub connections: usize,
    /// The path of the unary method, such as `/SampleService/Call`.
    pub path: &'static str,
    /// The request message of each call, with its prefix (see [`wire::framing`]).
    pub message: Bytes,
    /// Decodes the message of each response.
    pub check: CheckMessage,
    /// The size of the message in the report, which is that of its text.
    pub message_size: usize,
    /// The metadata of each call.
    pub metadata: MetadataMap,
}

/// When a call begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Open loop: calls begin on schedule, even if earlier ones have not ended.
    Open {
        /// Calls per second.
        rate: f64,
    },
    /// Closed loop: a call begins when another ends.
    Closed {
        /// The number of calls in flight.
        concurrency: usize,
    },
}

/// When the last call begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// After this time.
    Duration(Duration),
    /// After this number of calls.
    Calls(u64),
}

impl Plan {
    /// Returns the number of calls, if it is known in advance.
    pub(super) fn calls(&self) -> Option<u64> {
        match (self.amount, self.pace) {
            (Amount::Calls(calls), _) => Some(calls),
            (Amount::Duration(duration), Pace::Open { rate }) => {
                Some((duration.as_secs_f64() * rate).ceil() as u64)
            }
            (Amount::Duration(_), Pace::Closed { .. }) => None,
        }
    }

    /// Returns the time in which calls begin, if it is known in advance.
    pub(super) fn duration(&self) -> Option<Duration> {
        match (self.amount, self.pace) {
            (Amount::Duration(duration), _) => Some(duration),
            (Amount::Calls(calls), Pace::Open { rate }) => {
                Duration::try_from_secs_f64(calls as f64 / rate).ok()
            }
            (Amount::Calls(_), Pace::Closed { .. }) => None,
        }
    }
}
