//! What `build.rs` makes of `proto/sample.proto`.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]

// "_" is prost's name for a file without a package.
tonic::include_proto!("_");

/// The encoded descriptors of `sample.proto`, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
