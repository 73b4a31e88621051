//! A server library for gRPC services.
//!
//! [`service!`] begins the description of a service; [`Service::run`] runs its program. In
//! reading order:
//!
//! - [`Service`] and [`App`]: what a service author writes.
//! - [`Context`]: the view of a call that a handler has.
//! - `middleware`: the layers that every call passes through, the outermost first.
//! - `admission`: the queue, the concurrency limit and the limit of streams.
//! - `codegen` and `message`: decoding, calling a handler, encoding.
//! - `compute`: long computations, such as compression, away from the threads that do I/O.
//! - `server`: listeners, connections, the life cycle, the drain.
//! - `http2`: the HTTP/2 layer that serves the connections; both layers are in the crate `http2`.
//! - `web`: gRPC-Web and Connect, which are translated to gRPC before the layers.
//! - `telemetry`: the log, metrics, traces.
//! - `health`, `reflection`, `load_reports`, `admin`, `tls`: services and
//!   listeners of the chassis itself, and certificates.
//! - [`config`]: the settings, and where each comes from.
//! - `cli`, `documents`, `failed`: the commands, their completions and man pages, and their errors.

#![warn(missing_docs)]

extern crate self as chassis;

mod admin;
mod admission;
mod app;
mod body;
mod call;
mod cause;
mod cli;
pub mod codegen;
mod compute;
pub mod config;
mod config_command;
mod descriptors;
mod documents;
mod exports;
mod failed;
mod health;
mod host;
mod http2;
mod in_flight;
mod inbound;
mod lifecycle;
mod load_reports;
mod log_rate;
mod message;
mod method;
mod middleware;
mod mount;
mod moving_average;
mod package;
mod proto;
mod reflection;
mod server;
mod service;
mod telemetry;
#[cfg(test)]
mod testing;
mod text;
mod tls;
mod web;

pub use app::App;
pub use body::Body;
pub use call::Context;
pub use lifecycle::Readiness;
pub use method::{GrpcService, Kind, Method, MethodDescriptor, Origin, ServiceDescriptor};
pub use mount::Next;
pub use package::Package;
pub use server::{BindError, ConnectionCounts, DrainReport, Server, StartError};
pub use service::Service;
pub use tls::PeerNames;
pub use wire::command::{Command, CommandError, Program};
