//! Why a call ends without the handler's own response, and the status for each cause.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use http::{HeaderMap, Response};
use protojson::Problem;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use wire::encoding::ACCEPT_ENCODING;

use crate::text::cut;

/// Every reason that can end a call, except the handler's own response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The caller's or the server's deadline has passed.
    DeadlineExceeded,
    /// The queue is full.
    QueueFull {
        /// When there will probably be room in the queue.
        retry_after: Duration,
    },
    /// The call waited for `queue.timeout`.
    QueueTimeout {
        /// When a worker will probably be free.
        retry_after: Duration,
    },
    /// The deadline would pass before a worker is free.
    TooLate {
        /// When a worker will probably be free.
        retry_after: Duration,
    },
    /// `streaming.limit` streams are in progress.
    TooManyStreams {
        /// When a stream will probably end.
        retry_after: Duration,
    },
    /// The memory budget has no room for the message.
    NoMemory,
    /// The client read nothing of the response for `limits.stalled`.
    NotRead,
    /// The message is larger than the limit, both in bytes.
    MessageTooLarge {
        /// The length in its prefix.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The message is larger than the limit once it is decompressed.
    InflatedTooLarge {
        /// The compressed size in bytes.
        compressed: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A frame of zstd asks for a window of more than `limit` bytes.
    WindowTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A unary request has no message, or more than one.
    NotOneMessage,
    /// The request ended before the length in the prefix of its message.
    IncompleteMessage,
    /// The bytes of the message contradict its prefix or its encoding.
    MalformedMessage(String),
    /// The request is compressed with an encoding that is not supported.
    UnknownEncoding(String),
    /// The JSON of the message is not valid.
    InvalidJson(Problem),
    /// The request violates its protocol, gRPC-Web or Connect.
    InvalidRequest(String),
    /// The connection failed while the request was arriving.
    BrokenRequest,
    /// The handler's response failed before it was complete.
    BrokenResponse,
    /// The handler panicked.
    Panicked,
    /// The method of the HTTP request is not POST.
    NotPost,
    /// No method has this path.
    UnknownMethod,
    /// The dependencies of the service are not ready yet.
    Starting,
    /// The server is shutting down, and the call did not finish in time.
    ShuttingDown,
}

/// When to try again while the server is starting.
const RETRY_STARTING: Duration = Duration::from_secs(1);

/// When to try again if there is no memory left: calls that hold memory end within seconds, or at
/// their deadlines.
const RETRY_MEMORY: Duration = Duration::from_secs(1);

impl Cause {
    /// Returns the status that the caller gets. No other code makes a status from a cause.
    ///
    /// A refused caller learns when to retry in two ways: in `google.rpc.RetryInfo` for
    /// people and libraries, and in `grpc-retry-pushback-ms` for gRPC's own retries (gRFC
    /// A6).
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::DeadlineExceeded => {
                Status::deadline_exceeded("the deadline of the call has passed")
            }
            Self::QueueFull { retry_after } => overloaded("the queue is full", *retry_after),
            Self::QueueTimeout { retry_after } => {
                overloaded("no worker was free within the queue timeout", *retry_after)
            }
            Self::TooLate { retry_after } => {
                overloaded("the call's deadline would pass in the queue", *retry_after)
            }
            Self::TooManyStreams { retry_after } => {
                overloaded("too many streams are in progress", *retry_after)
            }
            Self::NoMemory => {
                overloaded("the server has no memory left for the call", RETRY_MEMORY)
            }
            // As the gRPC HTTP/2 protocol maps ENHANCE_YOUR_CALM.
            Self::NotRead => Status::resource_exhausted(
                "the client has read nothing of the response for too long",
            ),
            Self::MessageTooLarge { size, limit } => Status::resource_exhausted(format!(
                "the message has {size} bytes, and the limit is {limit} bytes"
            )),
            Self::InflatedTooLarge { compressed, limit } => Status::resource_exhausted(format!(
                "the message of {compressed} compressed bytes has more than {limit} bytes once \
                 decompressed, and the limit is {limit} bytes"
            )),
            Self::WindowTooLarge { limit } => Status::resource_exhausted(format!(
                "the zstd window of the message is larger than {limit} bytes, which is the limit"
            )),
            // "Request cardinality violation" in gRPC's list of status codes.
            Self::NotOneMessage => Status::unimplemented("the method takes exactly one message"),
            Self::IncompleteMessage => Status::internal("the message is incomplete"),
            Self::MalformedMessage(problem) => Status::internal(problem.clone()),
            Self::UnknownEncoding(encoding) => Status::unimplemented(format!(
                "the encoding {:?} is not supported: use gzip, zstd or identity",
                cut(encoding)
            )),
            Self::InvalidJson(problem) => {
                let mut details = ErrorDetails::new();
                details.add_bad_request_violation(problem.path(), problem.text());
                Status::with_error_details(Code::InvalidArgument, problem.to_string(), details)
            }
            Self::InvalidRequest(problem) => Status::invalid_argument(problem.clone()),
            Self::BrokenRequest => Status::cancelled("the request broke off"),
            Self::BrokenResponse => Status::internal("the response of the handler broke off"),
            Self::Panicked => Status::internal("the handler failed"),
            // As in grpc-go, because gRPC's list of status codes does not have this case.
            Self::NotPost => Status::internal("the HTTP method of a call must be POST"),
            Self::UnknownMethod => Status::unimplemented("there is no such method"),
            Self::Starting => with_retry_hint(
                Code::Unavailable,
                "the server is starting: its dependencies are not ready",
                RETRY_STARTING,
            ),
            Self::ShuttingDown => Status::unavailable(
                "the server is shutting down, and its time to finish calls is over",
            ),
        }
    }

    /// Returns the status as a response that has headers only ("Trailers-Only").
    pub(crate) fn response<B: Default>(&self) -> Response<B> {
        let mut response = self.status().into_http::<B>();
        if matches!(self, Self::UnknownEncoding(_)) {
            // The client can try again with one of these (compression.md of gRPC).
            let supported = http::HeaderValue::from_static("gzip,zstd,identity");
            response.headers_mut().insert(ACCEPT_ENCODING, supported);
        }
        response
    }

    /// Returns the error of a body that breaks off for this cause. The error is never sent:
    /// [`Cause::of_body_error`] turns it into the cause again.
    pub(crate) fn body_error(self) -> Status {
        let mut error = self.status();
        error.set_source(Arc::new(self));
        error
    }

    /// Returns the cause in the error of a request's body, or [`Cause::BrokenRequest`] if a layer
    /// or another library has made the error.
    pub(crate) fn of_body_error(error: &Status) -> Self {
        let cause = error.source().and_then(|source| source.downcast_ref::<Self>());
        cause.cloned().unwrap_or(Self::BrokenRequest)
    }

    /// Returns the status as trailers, for a response that has begun.
    pub(crate) fn trailers(&self) -> HeaderMap {
        trailers(&self.status())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.status().message())
    }
}

impl Error for Cause {}

/// Returns the status as trailers.
pub(crate) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(4);
    if status.add_header(&mut trailers).is_err() {
        // The message or the details are not valid in a header, but the code is.
        let code = Status::new(status.code(), "");
        code.add_header(&mut trailers).expect("a code alone is valid");
    }
    trailers
}

fn overloaded(message: &str, retry_after: Duration) -> Status {
    with_retry_hint(Code::ResourceExhausted, message, retry_after)
}

fn with_retry_hint(code: Code, message: &str, retry_after: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(retry_after));
    let mut status = Status::with_error_details(code, message, details);
    let milliseconds = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
    status.metadata_mut().insert("grpc-retry-pushback-ms", milliseconds.into());
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_code_and_only_refusals_have_a_retry_hint() {
        let retry_after = Duration::from_millis(1234);
        for (cause, code, hint) in [
            (Cause::DeadlineExceeded, Code::DeadlineExceeded, None),
            (Cause::QueueFull { retry_after }, Code::ResourceExhausted, Some(1234)),
            (Cause::QueueTimeout { retry_after }, Code::ResourceExhausted, Some(1234)),
            (Cause::TooLate { retry_after }, Code::ResourceExhausted, Some(1234)),
            (Cause::TooManyStreams { retry_after }, Code::ResourceExhausted, Some(1234)),
            (Cause::NoMemory, Code::ResourceExhausted, Some(1000)),
            (Cause::NotRead, Code::ResourceExhausted, None),
            (Cause::MessageTooLarge { size: 11, limit: 10 }, Code::ResourceExhausted, None),
            (Cause::InflatedTooLarge { compressed: 1, limit: 9 }, Code::ResourceExhausted, None),
            (Cause::NotOneMessage, Code::Unimplemented, None),
            (Cause::IncompleteMessage, Code::Internal, None),
            (Cause::MalformedMessage(String::new()), Code::Internal, None),
            (Cause::UnknownEncoding(String::new()), Code::Unimplemented, None),
            (Cause::InvalidJson(Problem::new("")), Code::InvalidArgument, None),
            (Cause::InvalidRequest(String::new()), Code::InvalidArgument, None),
            (Cause::BrokenRequest, Code::Cancelled, None),
            (Cause::BrokenResponse, Code::Internal, None),
            (Cause::Panicked, Code::Internal, None),
            (Cause::NotPost, Code::Internal, None),
            (Cause::UnknownMethod, Code::Unimplemented, None),
            (Cause::Starting, Code::Unavailable, Some(1000)),
            (Cause::ShuttingDown, Code::Unavailable, None),
        ] {
            let status = cause.status();
            assert_eq!(status.code(), code, "{cause:?}");
            let info = status.get_details_retry_info().and_then(|info| info.retry_delay);
            assert_eq!(info, hint.map(Duration::from_millis), "{cause:?}");
            let pushback = status.metadata().get("grpc-retry-pushback-ms");
            let pushback = pushback.map(|value| value.to_str().expect("ASCII").to_owned());
            assert_eq!(pushback, hint.map(|hint| hint.to_string()), "{cause:?}");
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_refused_with_both_sizes() {
        let status = Cause::MessageTooLarge { size: 11, limit: 10 }.status();
        assert!(status.message().contains("11") && status.message().contains("10"), "{status}");
    }

    #[test]
    fn a_status_that_no_header_can_hold_keeps_its_code() {
        let status = Status::not_found("a\nb");
        assert_eq!(trailers(&status)["grpc-status"], "5");
    }
}
