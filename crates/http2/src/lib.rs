//! The server side of HTTP/2 (RFC 9113): one connection and its streams.
//!
//! The interface is one service: a request with a [`RequestBody`](h2::RequestBody) goes in, a
//! response with a [`ResponseBody`] comes out.

#![warn(missing_docs)]

mod ended;
#[cfg(feature = "h2")]
pub mod h2;
mod preface;
mod response_body;
mod settings;

pub use ended::Ended;
pub use response_body::ResponseBody;
pub use settings::Settings;
