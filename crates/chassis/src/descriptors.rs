//! The methods of a service, read from a descriptor set.

use std::borrow::Cow;

use prost::Message;
use prost_types::FileDescriptorSet;

use crate::method::Kind;

/// Returns the methods of the service `name` in an encoded `FileDescriptorSet`.
///
/// # Panics
///
/// Panics if the set is not valid or does not have the service.
pub(crate) fn methods_of(descriptors: &[u8], name: &str) -> Vec<(Cow<'static, str>, Kind)> {
    let set = FileDescriptorSet::decode(descriptors).expect("the descriptor set is valid");
    let services = set.file.iter().flat_map(|file| {
        let package = file.package();
        let prefix = if package.is_empty() { String::new() } else { format!("{package}.") };
        file.service.iter().map(move |service| (format!("{prefix}{}", service.name()), service))
    });
    let found = services.into_iter().find(|(full_name, _)| full_name == name);
    let (_, service) =
        found.unwrap_or_else(|| panic!("the descriptor set does not have the service {name}"));
    let kind = |client, server| match (client, server) {
        (false, false) => Kind::Unary,
        (true, false) => Kind::ClientStreaming,
        (false, true) => Kind::ServerStreaming,
        (true, true) => Kind::BidiStreaming,
    };
    let method = |method: &prost_types::MethodDescriptorProto| {
        let kind = kind(method.client_streaming(), method.server_streaming());
        (method.name().to_owned().into(), kind)
    };
    service.method.iter().map(method).collect()
}
