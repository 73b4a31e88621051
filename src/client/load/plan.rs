//! What was asked for.

use std::time::Duration;

use tonic::metadata::MetadataMap;

/// Which calls to make, and when.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What decides when a call begins.
    pub pace: Pace,
    /// When enough calls were made.
    pub amount: Amount,
    /// Connections to each address. In a closed loop, those that have no call of their
    /// own are not used.
    pub connections: usize,
    /// What each call says.
    pub message: String,
    /// What is sent beside it.
    pub metadata: MetadataMap,
}

/// What decides when a call begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Calls begin on schedule, whatever becomes of those before.
    Open {
        /// Calls a second.
        rate: f64,
    },
    /// A call begins when another ends.
    Closed {
        /// How many are in flight at once.
        concurrency: usize,
    },
}

/// When enough calls were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// None begins after this time.
    Duration(Duration),
    /// There are so many.
    Calls(u64),
}

impl Plan {
    /// How many calls there shall be, where that is known.
    pub(super) fn calls(&self) -> Option<u64> {
        match (self.amount, self.pace) {
            (Amount::Calls(calls), _) => Some(calls),
            (Amount::Duration(duration), Pace::Open { rate }) => {
                Some((duration.as_secs_f64() * rate).ceil() as u64)
            }
            (Amount::Duration(_), Pace::Closed { .. }) => None,
        }
    }

    /// How long calls begin, where that is known.
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
