//! The schema: messages, enums and services, and where they come from.
//!
//! - `types`: the declarations of a file.
//! - `features`: presence and encoding, as its syntax or edition sets them.
//! - `descriptor`, `values`: reads a file from its encoded descriptor.
//! - `pool`: all files, with their names resolved.

mod descriptor;
mod features;
mod pool;
mod types;
mod values;

#[cfg(test)]
mod tests;

pub use descriptor::{read_file, read_set};
pub use features::Features;
pub use pool::{Pool, Symbol};
pub use types::{Enum, Field, File, Kind, Label, Message, Method, Service, json_name};
