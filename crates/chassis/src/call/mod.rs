//! One call, and the data about it while it passes through the server.
//!
//! There is one [`Call`] for each call, shared by the layers, the telemetry and the handler. A
//! handler reads it through [`Context`].

mod context;
mod headers;
mod peer;
mod request_id;
mod state;
mod timing;

pub use context::Context;
pub(crate) use headers::KnownHeaders;
pub(crate) use peer::{Peer, PeerAddress};
pub(crate) use state::{Call, Shared, Unread};
