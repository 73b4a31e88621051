//! One connection: its frames, its streams and their calls.
//!
//! Each time that its task is woken, a connection has a turn: it reads all bytes that have arrived,
//! takes all complete frames, calls the service with the requests, and writes all output at once.

mod allowance;
mod calls;
mod close;
mod closed_streams;
mod core;
mod data;
mod end;
mod fragments;
mod frames;
mod header_block;
mod keepalive;
mod life;
mod limits;
mod memory;
mod output;
mod receive;
mod repeated_head;
mod scratch;
mod send;
mod serve;
mod session;
mod sink;
mod stall;
mod stream;
mod streams;
mod window;

pub use serve::Connection;
