//! Which calls to make, and when.

use std::{
    fmt::{self, Debug, Formatter},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tonic::{Status, metadata::MetadataMap};

/// Decodes a message, and returns INTERNAL if it cannot be decoded.
pub type CheckMessage = Arc<dyn Fn(&[u8]) -> Result<(), Status> + Send + Sync>;

/// Which calls to make, and when.
#[derive(Clone)]
pub struct Plan {
    /// When a call begins.
    pub pace: Pace,
    /// How long calls are made before the first measured call.
    pub warmup: Duration,
    /// When the last call begins, counted from the first measured call.
    pub amount: Amount,
    /// The number of connections to each address. In a closed loop, connections beyond the
    /// concurrency are not used.
    pub connections: usize,
    /// The path of the unary method, such as `/SampleService/Call`.
    pub path: String,
    /// The request message of each call, with its prefix (see [`wire::framing`]).
    pub message: Bytes,
    /// Decodes the message of each response.
    pub check: CheckMessage,
    /// The size in bytes that the report shows: of the text, if the message is made from a text.
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

impl Debug for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Plan {
    /// Returns the time from the first call to that at which the first measured call is due.
    pub(super) fn measured_after(&self) -> Duration {
        match self.pace {
            Pace::Closed { .. } => self.warmup,
            // Computed as in the schedule, so that rounding cannot make a call of the warm-up a
            // measured one.
            Pace::Open { rate } => Duration::from_secs_f64(self.warmup_calls(rate) as f64 / rate),
        }
    }

    /// Returns the number of calls before the first measured call, in an open loop.
    pub(super) fn warmup_calls(&self, rate: f64) -> u64 {
        (self.warmup.as_secs_f64() * rate).ceil() as u64
    }

    /// Returns the number of calls that are measured, if it is known in advance.
    pub(super) fn calls(&self) -> Option<u64> {
        match (self.amount, self.pace) {
            (Amount::Calls(calls), _) => Some(calls),
            (Amount::Duration(duration), Pace::Open { rate }) => {
                Some((duration.as_secs_f64() * rate).ceil() as u64)
            }
            (Amount::Duration(_), Pace::Closed { .. }) => None,
        }
    }

    /// Returns the time in which the measured calls begin, if it is known in advance.
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
