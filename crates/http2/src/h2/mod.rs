//! The same interface, implemented with the h2 crate. No other module uses that crate.

mod connection;
mod open_stream;
mod stream;
mod transport;

pub use connection::Connection;
pub use wire::receive::ReceiveBody as RequestBody;
