//! The settings that a client command reads: those of the server beside it, and of tracing.
//!
//! Errors in other settings stop only the server, and not the command.

use std::path::PathBuf;

use wire::{command::LocalServer, socket::Socket, trace::TraceSettings};

use super::{
    defaults::Defaults, error::ConfigErrors, layer::Layers, reader::Reader, schema::Schema,
    sections::Tracing,
};

/// Reads the addresses and the TLS settings of the server that these layers configure.
///
/// # Errors
///
/// Returns the errors of the files and of the settings that are read.
pub(crate) fn local_server(schema: &Schema, layers: &Layers) -> Result<LocalServer, ConfigErrors> {
    read(schema, layers, &["server.address", "server.health_address", "tls."], |reader| {
        let address = reader.get::<Socket>("server.address");
        let health_address = reader.get("server.health_address");
        let mut file = |key| reader.get::<Option<PathBuf>>(key);
        let (certificate, client_ca) = (file("tls.certificate"), file("tls.client_ca"));
        Some(LocalServer {
            address: address?,
            health_address: health_address?,
            tls: certificate?.is_some(),
            client_certificate: client_ca?.is_some(),
        })
    })
}

/// Reads the endpoint and the sampling of spans. Returns `None` if tracing is off.
///
/// # Errors
///
/// Returns the errors of the files and of the settings that are read.
pub(crate) fn trace_settings(
    schema: &Schema,
    layers: &Layers,
) -> Result<Option<TraceSettings>, ConfigErrors> {
    read(schema, layers, &["tracing."], |reader| {
        let (endpoint, sample) = (reader.get("tracing.endpoint"), reader.get("tracing.sample"));
        Some(Tracing { endpoint: endpoint?, sample: sample? }.trace_settings())
    })
}

/// Reads settings. Ignores the errors of the layers in settings whose keys do not begin with one of
/// `keys`.
fn read<T>(
    schema: &Schema,
    layers: &Layers,
    keys: &[&str],
    get: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<T, ConfigErrors> {
    let (values, mut errors) = layers.merge(&Defaults::new(schema));
    // An error of a whole file has no source, because the file is its subject.
    errors.retain(|error| {
        error.source.is_none() || keys.iter().any(|key| error.subject.starts_with(key))
    });
    let mut reader = Reader::new(&values);
    let settings = get(&mut reader);
    errors.extend(reader.into_errors());
    settings.filter(|_| errors.is_empty()).ok_or(ConfigErrors(errors))
}
