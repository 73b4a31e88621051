//! Responses: which are valid, and the status of those that are not.
//!
//! Each response is checked here before tonic sees it, because tonic's own parsers take some
//! invalid responses for a success, and panic at others.
//!
//! - `head`: whether a response is gRPC, and whether it has only headers.
//! - `messages`: the messages, checked and decompressed.
//! - `status_fields`: the fields of the status, in a form that every parser can read.
//! - `body`: the body that uses `messages` and `status_fields`.

mod body;
mod head;
mod messages;
mod status_fields;

pub use body::ResponseBody;
pub use status_fields::{DETAILS_ERROR, read_status};

pub(crate) use body::RequestState;
pub(crate) use head::judge;
pub(crate) use status_fields::is_ok;
