//! What the exports to a collector share.

mod counts;
mod resource;

use std::io;

use opentelemetry_otlp::ExporterBuildError;

pub(crate) use counts::Counts;
pub use counts::Lost;
pub(crate) use resource::{decode, resource};

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
