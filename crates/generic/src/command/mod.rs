//! The commands, and their arguments.

mod arguments;
mod call;
mod failure;
mod method;
mod path;
mod schema;

pub use arguments::{ClientArgs, MethodArgs};
pub use call::{call, call_command};
pub use method::Method;
pub use path::MethodPath;
pub use schema::{describe_command, list_command};
