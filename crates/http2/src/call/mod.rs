//! A call: a request on its way through the service, and its response on its way to the peer.

mod driver;
mod in_place;
mod task;

pub(crate) use in_place::InPlace;
pub(crate) use task::Tasks;
