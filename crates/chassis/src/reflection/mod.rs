//! Server reflection, v1 and v1alpha, for tools such as grpcurl.
//!
//! - `index`: the files of the descriptor sets, and the symbols in them.
//! - `service`: the stream of requests and responses.

mod index;
mod service;

use std::sync::Arc;

use tonic_reflection::pb;

use crate::{
    method::{Kind, Origin, ServiceMethods},
    middleware::Admission,
    mount::Next,
    proto::grpc::health::v1::health_server,
};

use index::Index;
use service::Reflection;

const NAMES: [&str; 2] =
    ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];
/// The one method of both versions.
const METHOD: &str = "ServerReflectionInfo";

/// The size limit of a request in bytes: it has a name or two.
const MESSAGE_LIMIT: usize = 16 * 1024;

/// Returns the methods of both versions, in the order of [`services`].
pub(crate) fn methods() -> [ServiceMethods; 2] {
    NAMES.map(|service| ServiceMethods {
        service: service.into(),
        origin: Origin::Chassis,
        methods: Some(vec![(METHOD.into(), Kind::BidiStreaming)]),
        message_limit: Some(MESSAGE_LIMIT),
    })
}

/// Returns both versions, which list the services `names` and describe what is in the
/// encoded descriptor sets.
///
/// # Panics
///
/// Panics if a descriptor set is not valid; the code generator writes valid ones.
pub(crate) fn services(names: &[String], descriptors: &[&'static [u8]]) -> [Next; 2] {
    let own = [
        pb::v1::FILE_DESCRIPTOR_SET,
        pb::v1alpha::FILE_DESCRIPTOR_SET,
        health_server::DESCRIPTOR.file_descriptor_set,
    ];
    let names = names.iter().map(String::as_str).chain(NAMES).map(ToOwned::to_owned);
    let index = Arc::new(Index::new(names.collect(), own.iter().chain(descriptors)));
    // Both versions have the same messages, byte for byte.
    let service = Next::new(Admission::new(Reflection::new(index), None));
    [service.clone(), service]
}
