//! Why a call is not answered by the service, and what its caller is told.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::Whole;

/// Everything but the service itself that can end a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The time that the caller, or the server, gave it is over.
    DeadlineExceeded,
    /// As many calls wait as may wait.
    QueueFull {
        /// When a place in the queue can be expected.
        retry_after: Duration,
    },
    /// It waited for as long as a call may wait.
    QueueTimeout {
        /// When a worker can be expected.
        retry_after: Duration,
    },
    /// Its deadline comes before its turn can be expected.
    TooLate {
        /// When its turn can be expected.
        retry_after: Duration,
    },
    /// The message is larger than messages may be, both in bytes.
    MessageTooLarge {
        /// As its prefix says.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// There was no message, or more than one.
    NotOneMessage,
    /// The message ended before the length that its prefix says.
    IncompleteMessage,
    /// The connection failed while the message was on its way.
    BrokenRequest,
    /// The answer of the service failed before it was complete.
    BrokenAnswer,
    /// The service panicked.
    Panicked,
    /// The server ends, and the call was not finished in time.
    ShuttingDown,
}

impl Cause {
    /// What the caller is told. Nothing else makes a status out of a failure.
    ///
    /// Whoever is turned away is told when to come back, twice: in a
    /// `google.rpc.RetryInfo` for people and libraries, and as
    /// `grpc-retry-pushback-ms` for gRPC's own retries (gRFC A6).
    pub fn status(&self) -> Status {
        match self {
            Self::DeadlineExceeded => {
                Status::deadline_exceeded("the deadline of the call has passed")
            }
            Self::QueueFull { retry_after } => refused("the queue is full", *retry_after),
            Self::QueueTimeout { retry_after } => {
                refused("no worker was free for as long as a call may wait", *retry_after)
            }
            Self::TooLate { retry_after } => {
                refused("the call's deadline would pass while it waits", *retry_after)
            }
            Self::MessageTooLarge { size, limit } => Status::resource_exhausted(format!(
                "the message has {size} bytes, and the limit is {limit} bytes"
            )),
            // The code that gRPC gives this ("Request cardinality violation" in
            // its list of status codes).
            Self::NotOneMessage => Status::unimplemented("the method takes exactly one message"),
            Self::IncompleteMessage => Status::internal("the message is incomplete"),
            Self::BrokenRequest => Status::cancelled("the request broke off"),
            Self::BrokenAnswer => Status::internal("the answer of the service broke off"),
            Self::Panicked => Status::internal("the service failed while it handled the call"),
            Self::ShuttingDown => Status::unavailable(
                "the server is shutting down, and its time to finish calls is over",
            ),
        }
    }

    /// The status as a response of HTTP, which is all headers.
    pub fn response(&self) -> http::Response<Whole> {
        self.status().into_http()
    }
}

fn refused(message: &str, retry_after: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(retry_after));
    let mut status = Status::with_error_details(Code::ResourceExhausted, message, details);
    let milliseconds = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
    status.metadata_mut().insert("grpc-retry-pushback-ms", milliseconds.into());
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_code_and_only_refusals_have_a_hint() {
        let retry_after = Duration::from_millis(1234);
        for (cause, code, hint) in [
            (Cause::DeadlineExceeded, Code::DeadlineExceeded, None),
            (Cause::QueueFull { retry_after }, Code::ResourceExhausted, Some(retry_after)),
            (Cause::QueueTimeout { retry_after }, Code::ResourceExhausted, Some(retry_after)),
            (Cause::TooLate { retry_after }, Code::ResourceExhausted, Some(retry_after)),
            (Cause::MessageTooLarge { size: 11, limit: 10 }, Code::ResourceExhausted, None),
            (Cause::NotOneMessage, Code::Unimplemented, None),
            (Cause::IncompleteMessage, Code::Internal, None),
            (Cause::BrokenRequest, Code::Cancelled, None),
            (Cause::BrokenAnswer, Code::Internal, None),
            (Cause::Panicked, Code::Internal, None),
            (Cause::ShuttingDown, Code::Unavailable, None),
        ] {
            let status = cause.status();
            assert_eq!(status.code(), code, "{cause:?}");
            let info = status.get_details_retry_info().and_then(|info| info.retry_delay);
            assert_eq!(info, hint, "{cause:?}");
            let pushback = status.metadata().get("grpc-retry-pushback-ms");
            let pushback = pushback.map(|value| value.to_str().expect("ASCII"));
            assert_eq!(pushback, hint.map(|_| "1234"), "{cause:?}");
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_told_both_sizes() {
        let status = Cause::MessageTooLarge { size: 11, limit: 10 }.status();
        assert!(status.message().contains("11") && status.message().contains("10"), "{status}");
    }
}
