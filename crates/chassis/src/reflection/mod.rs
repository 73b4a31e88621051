//! Server reflection, v1 and v1alpha, for tools such as grpcurl.

mod end_at_drain;

use std::{convert::Infallible, mem};

use tonic::codegen::BoxFuture;
use tonic_reflection::{pb, server::Builder};

use crate::{
    body::Body,
    inbound::BoxInbound,
    lifecycle::Lifecycle,
    method::{Kind, Origin, ServiceMethods},
    middleware::Admission,
    mount::{self, Next},
    proto::grpc::health::v1::health_server,
};

use end_at_drain::EndAtDrain;

const NAMES: [&str; 2] =
    ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];
/// The one method of both versions.
const METHOD: &str = "ServerReflectionInfo";

/// Returns the methods of both versions, in the order of [`services`].
pub(crate) fn methods() -> [ServiceMethods; 2] {
    NAMES.map(|service| ServiceMethods {
        service: service.into(),
        origin: Origin::Chassis,
        methods: Some(vec![(METHOD.into(), Kind::BidiStreaming)]),
    })
}

/// Returns both versions, which list the services `names` and describe what is in the
/// encoded descriptor sets.
///
/// # Panics
///
/// Panics if a descriptor set is not valid; the code generator writes valid ones.
pub(crate) fn services(
    names: &[String],
    descriptors: &[&'static [u8]],
    lifecycle: &Lifecycle,
) -> [Next; 2] {
    let builder = || {
        let builder = Builder::configure()
            .register_encoded_file_descriptor_set(pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(pb::v1alpha::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(health_server::DESCRIPTOR.file_descriptor_set);
        let builder = descriptors
            .iter()
            .fold(builder, |builder, set| builder.register_encoded_file_descriptor_set(set));
        let names = names.iter().map(String::as_str).chain(NAMES);
        names.fold(builder, |builder, name| builder.with_service_name(name))
    };
    let valid = "the descriptor sets are compiled in";
    let v1 = Admission::new(builder().build_v1().expect(valid), None);
    let v1alpha = Admission::new(builder().build_v1alpha().expect(valid), None);
    let until_drain = |service| Next::new(UntilDrain { service, lifecycle: lifecycle.clone() });
    [until_drain(Next::new(v1)), until_drain(Next::new(v1alpha))]
}

/// Ends the requests of a stream when the server begins to drain, because reflection itself
/// does not know of the drain. The client gets all responses to what it has sent, and then
/// the end of the stream.
struct UntilDrain {
    service: Next,
    lifecycle: Lifecycle,
}

impl mount::Call for UntilDrain {
    fn call(&self, mut request: BoxInbound) -> BoxFuture<http::Response<Body>, Infallible> {
        let lifecycle = self.lifecycle.clone();
        let received = mem::take(request.request.body_mut());
        *request.request.body_mut() = Body::stream(EndAtDrain::new(received, lifecycle));
        self.service.respond(request)
    }
}
