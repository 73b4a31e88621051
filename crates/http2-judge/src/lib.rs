//! What the tests of an HTTP/2 server layer share: servers with every layer, and a peer that
//! sends the frames of a script.
//!
//! A layer serves connections: the h2 crate is one, and the crate `http2` is the "own layer".
//!
//! - `tests/conformance`: a case for each rule of RFC 9113 and RFC 7541 that a server can break.
//! - `tests/differential`: the h2 crate and the own layer get the same scripts.
//! - `tests/round_trips`: h2's client against each layer.
//! - `tests/floods`: the traffic of hostile peers, and honest traffic of the same shape.
//! - `fuzz/run`: fuzzing.
//! - `faults/run`: plants faults in the own layer, one at a time, and prints the tests that find
//!   each.

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
