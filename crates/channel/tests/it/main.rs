//! The channel against a tonic server, and against a scripted HTTP/2 server.

mod balance;
mod call;
mod cancel;
mod flow_control;
mod greeting;
mod kinds;
mod parent;
mod retry;
mod small_frames;
mod support;
mod unix_socket;
