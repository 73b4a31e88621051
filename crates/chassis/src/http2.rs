//! The HTTP/2 layer that serves the connections: the crate `http2`, or h2 with the feature
//! `http2-h2`.

use crate::cause::Cause;

pub(crate) use ::http2::{
    Abuse, Activity, Budget, CallMode, Ended, MemoryKind, Observer, Opening, Reason, Refused,
    Reservation, ResponseBody, Settings, Share, open,
};

#[cfg(feature = "http2-h2")]
pub(crate) use ::http2::h2::{Connection, RequestBody};
#[cfg(not(feature = "http2-h2"))]
pub(crate) use ::http2::{Connection, RequestBody};

/// Returns the cause for the body of a request that breaks off.
#[cfg(not(feature = "http2-h2"))]
pub(crate) fn cause_of(error: ::http2::BodyError) -> Cause {
    match error {
        ::http2::BodyError::NoMemory => Cause::NoMemory,
        _ => Cause::BrokenRequest,
    }
}

/// Returns the cause for the body of a request that breaks off.
#[cfg(feature = "http2-h2")]
pub(crate) fn cause_of<E>(_: E) -> Cause {
    Cause::BrokenRequest
}
