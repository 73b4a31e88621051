//! The same interface on the h2 crate. The only module that knows it.

mod connection;
mod open_stream;
mod stream;
mod transport;

pub use connection::Connection;
pub use wire::receive::ReceiveBody as RequestBody;
