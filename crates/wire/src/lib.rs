//! What both sides of a gRPC connection share.
//!
//! - [`framing`]: how a message is framed in a body.
//! - [`content_type`]: the content type of gRPC.
//! - [`encoding`]: the encodings of compressed messages.
//! - [`code`]: the status codes.
//! - [`receive`]: the body that a peer sends on one HTTP/2 stream.
//! - [`keepalive`]: PING to a silent peer, and the keepalive timeout.
//! - [`pem`]: certificates and keys in PEM files.
//! - [`x509`]: parsed certificates, and the check that they are a chain.
//! - [`crypto`]: the cryptography of TLS.
//! - [`reload`]: files that are loaded again when they change.
//! - [`socket`]: the address of a socket.
//! - [`signal`]: SIGTERM and SIGINT.
//! - [`runtime`]: runtimes, and an error if the system has no thread left for them.
//! - [`output`]: standard output and error, also if they are non-blocking.
//! - [`escape`]: text of a peer, made safe for a terminal and a log.
//! - [`duration`]: durations as people write them.
//! - [`timeout`]: the header `grpc-timeout`.
//! - [`export`]: what the exports to a collector share.
//! - [`log_export`]: log records, and their export to a collector.
//! - [`metrics`]: the export of metrics.
//! - [`trace`]: spans, and how a trace crosses a connection.
//! - [`trace_context`]: the headers of a trace.
//! - [`parent`]: what an outgoing call inherits from the incoming call that causes it.
//! - [`command`]: a command of the binary, as a client crate offers it and a server
//!   binary runs it.

#![warn(missing_docs)]

pub mod code;
pub mod command;
pub mod content_type;
pub mod crypto;
pub mod duration;
pub mod encoding;
pub mod escape;
pub mod export;
pub mod framing;
pub mod keepalive;
pub mod log_export;
pub mod metrics;
pub mod output;
pub mod parent;
pub mod pem;
pub mod receive;
pub mod reload;
pub mod runtime;
pub mod signal;
pub mod socket;
pub mod timeout;
pub mod trace;
pub mod trace_context;
pub mod x509;
