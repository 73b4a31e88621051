//! A request: from fields to a head, and its body.

mod body;
mod error;
mod head;
mod inbound;
mod list_size;
mod trailers;

pub use body::RequestBody;
pub use error::BodyError;
pub(crate) use head::{HeadBuilder, Refusal, RequestHead};
pub(crate) use inbound::Inbound;
pub(crate) use list_size::HeadLimits;
pub(crate) use trailers::TrailersBuilder;
