//! Which HTTP/2 layer serves the connections.

pub(crate) use ::http2::h2::{Connection, RequestBody};
pub(crate) use ::http2::{Ended, ResponseBody, Settings};
