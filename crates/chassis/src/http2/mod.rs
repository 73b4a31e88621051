//! HTTP/2: one connection and its streams. The only module that knows h2.
//!
//! Its interface to the rest of the server is one service: a request with a [`RequestBody`]
//! goes in, a response with a [`ResponseBody`] comes out.

mod connection;
mod preface;
mod response_body;
mod stream;
mod transport;

pub(crate) use connection::{Connection, Ended, Settings};
pub(crate) use response_body::ResponseBody;
pub(crate) use wire::receive::ReceiveBody as RequestBody;
