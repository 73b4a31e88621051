//! A response: what of it is valid, and what it means if it is not.
//!
//! Everything that a server can send passes through here before tonic sees it. tonic's own parsers
//! take some of it for a success, and panic at some of it.
//!
//! - `head`: whether a response is gRPC at all, and whether it is all of the response.
//! - `messages`: the messages, checked and decompressed.
//! - `status_fields`: the fields of the status, in a form that every parser can read.
//! - `body`: puts these together.

mod body;
mod head;
mod messages;
mod status_fields;

pub use body::ResponseBody;
pub use status_fields::{DETAILS_ERROR, read_status};

pub(crate) use body::RequestState;
pub(crate) use head::judge;
pub(crate) use status_fields::is_ok;
