//! What is served: the service behind its stack, health and reflection beside it.

use tonic::{
    codec::CompressionEncoding,
    service::{LayerExt, Routes},
};
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::Builder;

use super::{
    health::LifeHealth,
    health_list::{self, HealthList},
};
use crate::{
    config::Settings, middleware::CallStack, proto,
    proto::sample_service_server::SampleServiceServer, service::Sample,
};

/// Everything, for the address of the service.
pub(super) fn all(settings: &Settings, health: LifeHealth, stack: &CallStack) -> Routes {
    let sample = SampleServiceServer::new(Sample::new(settings.service.work))
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .send_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Zstd)
        // After decompression; what arrives is limited by the stack.
        .max_decoding_message_size(settings.limits.message.get() as usize);
    let mut routes = health_alone(health).add_service(stack.clone().named_layer(sample));

    if settings.reflection.enabled {
        let valid = "the descriptors are compiled in";
        routes = routes
            .add_service(reflection().build_v1().expect(valid))
            .add_service(reflection().build_v1alpha().expect(valid));
    }
    routes.prepare()
}

/// Health, for an address that only probes use.
pub(super) fn health_alone(health: LifeHealth) -> Routes {
    let list = HealthList(health.clone());
    let router = Routes::new(HealthServer::new(health)).into_axum_router();
    router.route_service(health_list::PATH, list).into()
}

fn reflection() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
