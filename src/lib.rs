//! A small gRPC microservice that behaves in production.
//!
//! In reading order:
//!
//! - [`service`]: what the service does, and nothing of how it is reached.
//! - [`middleware`]: what every call passes through on its way there.
//! - [`server`]: listening, connections, health, the end.
//! - [`telemetry`]: what it says of itself.
//! - [`proto`]: the messages, as generated.
//! - [`config`]: the settings, and where each came from.
//! - [`client`]: the other side: a call, a health probe, a load generator, and the
//!   channel of all.
//! - [`cli`]: the commands, which put the rest together.
//!
//! The arrows run one way: cli -> (server | client) -> (middleware, service,
//! telemetry) -> config.

pub mod cli;
pub mod client;
pub mod config;
mod framing;
mod incoming;
mod keepalive;
pub mod middleware;
mod pem;
pub mod proto;
pub mod server;
pub mod service;
pub mod telemetry;
