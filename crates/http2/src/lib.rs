//! The server side of HTTP/2 (RFC 9113): one connection and its streams.
//!
//! The interface is one service: a request with a [`RequestBody`] goes in, a response with a
//! [`ResponseBody`] comes out. In reading order:
//!
//! - `connection`: the state of a connection, and what every frame does to it.
//! - `call`: a call, which the connection polls itself or which has a task.
//! - `request` and `response`: from header fields to a request, its body, and the response.
//! - `memory`: the budget for the memory that peers make the process use.
//! - `hpack` and `frame`: the formats.

#![warn(missing_docs)]

mod abuse;
mod activity;
mod call;
mod connection;
mod ended;
mod frame;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "h2")]
pub mod h2;
mod hpack;
mod inbox;
mod linger;
mod memory;
mod preface;
mod reason;
mod refused;
mod request;
mod response;
mod settings;
mod violation;

pub use abuse::Abuse;
pub use activity::Activity;
pub use connection::Connection;
pub use ended::Ended;
pub use memory::{Budget, MemoryKind, NoMemory, Reservation, Share};
pub use preface::{Opening, open};
pub use reason::Reason;
pub use refused::{Observer, Refused};
pub use request::{BodyError, RequestBody};
pub use response::ResponseBody;
pub use settings::{CallMode, Refuse, Settings};
