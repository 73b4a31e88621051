//! What the exports to a collector share.

mod counts;
mod failing;
mod malformed;
mod resource;

use std::io;

use opentelemetry_otlp::ExporterBuildError;

pub(crate) use counts::Counts;
pub use counts::Lost;
pub use failing::Failing;
pub use malformed::Malformed;
pub(crate) use malformed::catch_malformed;
pub(crate) use resource::{decode, resource, variable};

/// Why an export cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ExportStartError {
    /// The variables of OpenTelemetry make no exporter.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
    /// The system has no thread left.
    #[error(transparent)]
    Thread(io::Error),
}
