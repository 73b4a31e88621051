//! The whole service from outside: in process on port 0, and as the real
//! binary with real signals, exit codes and grpcio peers.

mod support;

mod access_log;
mod balancing;
mod call;
mod client_tls;
mod configuration;
mod health;
mod interop;
mod kubernetes;
mod kubernetes_objects;
mod limit;
mod load;
mod log;
mod metrics;
mod monitoring;
mod output;
mod overload;
mod prometheus;
mod reflection;
mod retry;
mod shutdown;
mod tls;
mod tls_files;
mod tls_reload;
mod traces;
mod transport;
mod watch;
