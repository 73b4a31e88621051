//! The settings of the chassis and of the service that uses it.
//!
//! - `sections` declares every setting of the chassis, once.
//! - [`Schema`] is what a service adds: its own settings as commented TOML, and its flags.
//! - [`Layers`] are merged over the defaults: files, the environment, flags.
//! - [`load`] checks every value, of the chassis and of the service, and finds all
//!   configuration errors before the first is reported.
//! - [`default_toml`] and [`markdown_table`] document the same declarations.

mod arguments;
mod check;
mod declare;
mod defaults;
mod document;
mod effective;
mod error;
mod layer;
mod load;
mod memory;
mod opentelemetry;
mod own;
mod part;
mod reader;
mod schema;
mod secret;
mod sections;
mod show;
mod text;
mod types;
mod value;
mod values;
mod web;
mod with;

#[cfg(test)]
mod tests;

pub use arguments::clap_flags;
pub use declare::FlagDeclaration;
pub use document::{default_toml, markdown_table};
pub use effective::Effective;
pub use error::{ConfigError, ConfigErrors};
pub use layer::{Flag, Layers};
pub use load::{Loaded, load};
pub use memory::Memory;
pub(crate) use part::{local_server, trace_settings};
pub use schema::Schema;
pub use secret::Secret;
pub use sections::{
    Admin, Compression, Cors, Deadline, Keepalive, Limits, LoadReports, Log, Metrics, Queue,
    Reflection, Server, Settings, Shutdown, Streaming, Tls, Tracing,
};
pub(crate) use show::as_json;
pub use types::{
    Access, Endpoint, Histograms, LogFormat, NonZeroDuration, Permits, Ratio, Responses, Share,
    Size, SocketMode,
};
pub use web::{Origins, Protocols};
pub use with::{duration, size};
