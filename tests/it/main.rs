//! The whole service from outside: in process on port 0, and as the real
//! binary with real signals, exit codes and grpcio peers.

mod support;

mod call;
mod configuration;
mod health;
mod interop;
mod limit;
mod log;
mod metrics;
mod monitoring;
mod overload;
mod prometheus;
mod reflection;
mod shutdown;
mod transport;
