//! What the tests of an HTTP/2 server layer share: servers with every layer, and a peer that
//! sends the frames of a script.

pub mod behaviour;
pub mod body;
pub mod choices;
pub mod compare;
pub mod decode;
pub mod deviations;
pub mod frame;
pub mod hpack;
pub mod peer;
mod record;
pub mod run;
pub mod script;
pub mod seeds;
pub mod server;
pub mod shrink;
pub mod trickle;
