//! Which HTTP/2 layer serves the connections.

pub(crate) use ::http2::{Abuse, CallMode, Ended, Held, Observer, Refused, ResponseBody, Settings};

#[cfg(feature = "http2-h2")]
pub(crate) use ::http2::h2::{Connection, RequestBody};
#[cfg(not(feature = "http2-h2"))]
pub(crate) use ::http2::{Connection, RequestBody};
