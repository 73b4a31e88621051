//! A response, as the service makes it and as its connection takes it.

mod body;
mod part;

pub use body::ResponseBody;
pub(crate) use part::{ResponsePart, ResponseSink};
