//! The client side of gRPC: a channel for tonic's generated clients, and the arguments and the
//! output that client commands share.
//!
//! A [`Channel`] resolves the address of its [`Target`], keeps a connection to each IP
//! address, and balances calls over them (least request or round robin). It retries calls as gRFC
//! A6 defines. A service describes the channels to other services with [`Settings`].
//!
//! In reading order:
//!
//! - `channel`, `call`, `attempt`: the steps of a call. `deadline` says when the call ends, `retry`
//!   and `throttle` whether it is retried, `headers` which headers each attempt adds.
//! - `request_body`, `upload`: requests that are complete and requests that are streams.
//! - `response`, `limits`: which responses are valid, and the status of those that are not.
//! - `address`, `host`, `resolver`: addresses as people type them, and their IP addresses.
//! - `balancer`, `endpoints`, `event`, `reconnect`, `backoff`: subchannels and reconnection.
//! - `pick`, `endpoint_load`, `outlier`: which subchannel a call gets.
//! - `connection`, `tls`, `tls_config`, `transport`, `greeting`, `sender`, `stream_limit`: one
//!   connection.
//! - [`arguments`], [`output`], [`Details`], `health`: the client commands.

#![warn(missing_docs)]

mod address;
pub mod arguments;
mod attempt;
mod backoff;
mod balancer;
mod binary;
mod call;
mod channel;
mod connection;
mod deadline;
mod details;
mod endpoint_load;
mod endpoints;
mod event;
mod failure;
mod greeting;
mod headers;
mod health;
mod host;
mod limits;
mod outlier;
pub mod output;
mod pick;
mod reconnect;
mod request_body;
mod resolver;
mod response;
mod retry;
mod sender;
mod settings;
mod settings_values;
mod status;
mod stream_limit;
mod target;
mod throttle;
mod tls;
mod tls_config;
mod tls_problem;
mod transport;
mod unverified;
mod upload;
mod wrong_arguments;

pub use address::Address;
pub use channel::Channel;
pub use details::Details;
pub use endpoint_load::Peer;
pub use endpoints::AddressState;
pub use failure::Failure;
pub use headers::{PREVIOUS_ATTEMPTS, attempts, user_agent};
pub use health::health_command;
pub use limits::{DEFAULT_MAX_MESSAGE, OneMessage};
pub use outlier::{FailurePercentage, OutlierDetection, SuccessRate};
pub use pick::Balance;
pub use reconnect::MIN_RECONNECT_BACKOFF;
pub use response::{DETAILS_ERROR, ResponseBody, read_status};
pub use retry::MAX_ATTEMPTS;
pub use settings::Settings;
pub use settings_values::Percent;
pub use target::Target;
pub use tls::Tls;
pub use tls_config::{TlsError, TlsFiles};
