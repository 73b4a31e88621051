//! Calls of any method by its name, with JSON: the commands `call`, `list` and `describe`.
//!
//! The schema comes from the server's reflection or from files. It is read from the wire format of
//! descriptors directly: a general library for it would be larger than all of this crate.
//!
//! In reading order:
//!
//! - `command`: the commands, and their arguments.
//! - `source`, `reflection`, `client`: the schema, from files or from a server.
//! - `schema`, `proto`, `describe`: messages, enums and services.
//! - `json`, `wire_format`: messages as JSON, and as bytes.
//! - `problem`: what is wrong, and where.

#![warn(missing_docs)]

mod client;
mod command;
mod describe;
mod json;
mod problem;
mod proto;
mod reflection;
mod schema;
mod source;
mod wire_format;

pub use command::{
    ClientArgs, Method, MethodArgs, MethodPath, call, call_command, describe_command, list_command,
};
