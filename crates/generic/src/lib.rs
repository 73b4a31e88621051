//! Calls of any method by its name, with JSON: the commands `call`, `list` and `describe`.
//!
//! The schema comes from the server's reflection or from files. The crate protojson converts
//! messages from and to JSON.
//!
//! In reading order:
//!
//! - `command`: the commands, and their arguments.
//! - `source`, `reflection`, `client`: the schema, from files or from a server.
//! - `proto`, `describe`: reads files, and shows messages, enums and services.

#![warn(missing_docs)]

mod client;
mod command;
mod describe;
mod proto;
mod reflection;
mod source;

pub use command::{
    ClientArgs, Method, MethodArgs, MethodPath, call, call_command, describe_command, list_command,
};
