//! The messages, the client and the server of `proto/`, as generated.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/proto.rs"));
