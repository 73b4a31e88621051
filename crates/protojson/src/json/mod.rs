//! Messages as JSON, as the protobuf documentation maps them ("ProtoJSON Format").
//!
//! - `parse`: JSON text to a value of JSON.
//! - `encode`: JSON to the wire format.
//! - `print`, `fields`: the wire format to JSON.
//! - `scalar`: numbers, texts, bytes and enums in JSON.
//! - `write`, `depth`: JSON as text, and how deep it may be nested.
//! - `well_known`, `structs`, `time`: the messages that have a JSON form of their own.

mod depth;
mod encode;
mod fields;
mod parse;
mod print;
mod scalar;
mod structs;
mod time;
mod well_known;
mod write;

#[cfg(test)]
mod tests;

pub use encode::encode;
pub use parse::{NotParsed, parse};
pub use print::print;
pub use write::quoted;
