//! Messages of any schema as JSON, as the protobuf documentation maps them ("ProtoJSON Format").
//!
//! Schemas are read from the wire format of descriptors directly: a general library for it would be
//! larger than all of this crate.
//!
//! In reading order:
//!
//! - `schema`: messages, enums and services, from their descriptors.
//! - `json`: messages as JSON.
//! - `wire_format`: messages as bytes.
//! - `problem`: errors with the path of the wrong field.

#![warn(missing_docs)]

mod json;
mod problem;
mod schema;
pub mod wire_format;

pub use json::{NotParsed, encode, parse, print, quoted};
pub use problem::{Problem, listed};
pub use schema::{
    Enum, Features, Field, File, Kind, Label, Message, Method, Pool, Service, Symbol, json_name,
    read_file, read_set,
};
