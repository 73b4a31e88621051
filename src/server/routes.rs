//! What is served: the service behind its stack, health and reflection beside it.

use tonic::service::{LayerExt, Routes};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server::Builder;

use crate::{
    config::Settings, middleware, proto, proto::sample_service_server::SampleServiceServer,
    service::Sample,
};

pub(super) fn routes(settings: &Settings, health: HealthReporter) -> Routes {
    let stack = middleware::stack(settings.server.max_workers.get());
    let sample = SampleServiceServer::new(Sample::new(settings.service.work));
    let mut routes = Routes::new(stack.named_layer(sample))
        .add_service(HealthServer::new(HealthService::from_health_reporter(health)));

    if settings.reflection.enabled {
        let valid = "the descriptors are compiled in";
        routes = routes
            .add_service(reflection().build_v1().expect(valid))
            .add_service(reflection().build_v1alpha().expect(valid));
    }
    routes.prepare()
}

fn reflection() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
