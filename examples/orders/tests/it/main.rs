//! The service from outside: in this process, and as the real binary with real signals, exit
//! codes and a grpcio peer. Only the public interface of the chassis is used.

mod support;

mod auth;
mod cli;
mod grpcio_server;
mod interop;
mod lifecycle;
mod methods;
mod outgoing;
