//! The deadline of a call.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;
use tonic::Status;
use wire::{parent::ParentCall, timeout};

/// The time that is left for a call ("Timeout" in the gRPC HTTP/2 protocol).
pub(crate) const GRPC_TIMEOUT: &str = "grpc-timeout";

/// When a call ends at the latest, and why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// The timeout that it follows from; `None` if it is the deadline of the parent call.
    timeout: Option<Duration>,
}

impl Deadline {
    /// Returns the deadline of a call that starts now. Returns `None` if the clock cannot
    /// express it.
    pub(crate) fn after(timeout: Duration) -> Option<Self> {
        let at = Instant::now().checked_add(timeout)?;
        Some(Self { at, timeout: Some(timeout) })
    }

    /// Returns the earliest of the deadlines that apply to a call: the channel's timeout,
    /// the `grpc-timeout` that its caller has set, and the deadline of the parent call.
    pub(crate) fn of_call(
        limit: Option<Duration>,
        headers: &HeaderMap,
        parent: Option<&ParentCall>,
    ) -> Option<Self> {
        let requested = headers.get(GRPC_TIMEOUT);
        let requested = requested.and_then(|value| timeout::parse(value.as_bytes()));
        let own = [limit, requested].into_iter().flatten().min().and_then(Self::after);
        let inherited =
            parent.and_then(|parent| parent.deadline).map(|at| Self { at, timeout: None });
        [own, inherited].into_iter().flatten().min_by_key(|deadline| deadline.at)
    }

    pub(crate) fn has_passed(&self) -> bool {
        Instant::now() >= self.at
    }

    /// Returns the value of `grpc-timeout`.
    pub(crate) fn header(&self) -> HeaderValue {
        timeout::format(self.at.saturating_duration_since(Instant::now()))
    }

    /// Returns the status of a call that has reached its deadline.
    pub(crate) fn exceeded(&self) -> Status {
        match self.timeout {
            Some(timeout) => timeout_exceeded(timeout),
            None => Status::deadline_exceeded("the deadline of the parent call has passed"),
        }
    }
}

/// Returns the status of a call that had no response within its timeout.
pub(crate) fn timeout_exceeded(timeout: Duration) -> Status {
    // In seconds at most, as `Debug` has it: humantime would write months, which no flag accepts.
    Status::deadline_exceeded(format!("no response within {timeout:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_deadline_applies() {
        let second = Duration::from_secs(1);
        let mut headers = HeaderMap::new();
        assert!(Deadline::of_call(None, &headers, None).is_none());
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static("2S"));
        let timeout = |channel, parent: Option<Duration>| {
            let parent = parent.map(|parent| ParentCall {
                deadline: Some(Instant::now() + parent),
                request_id: HeaderValue::from_static("id"),
                trace: opentelemetry::Context::new(),
                traceparent: None,
            });
            let deadline = Deadline::of_call(channel, &headers, parent.as_ref());
            deadline.expect("a deadline").timeout
        };
        assert_eq!(timeout(None, None), Some(2 * second));
        assert_eq!(timeout(Some(3 * second), None), Some(2 * second));
        assert_eq!(timeout(Some(second), None), Some(second));
        assert_eq!(timeout(Some(second), Some(5 * second)), Some(second));
        assert_eq!(timeout(Some(5 * second), Some(second)), None, "the parent's");
    }
}
