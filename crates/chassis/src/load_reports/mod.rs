//! Load reports for the clients' load balancing: ORCA (gRFC A51), in the trailers of each call
//! and as a stream.
//!
//! - `reports`: the report, and the trailer that carries it.
//! - `service`: the stream, `xds.service.orca.v3.OpenRcaService`.

mod reports;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use reports::{LoadReports, Sample};
pub(crate) use service::{OpenRca, methods};
