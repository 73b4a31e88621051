//! What the tests of an HTTP/2 server layer share: servers with every layer, and a peer that
//! sends the frames of a script.

pub mod body;
pub mod frame;
pub mod hpack;
pub mod peer;
mod record;
pub mod server;
