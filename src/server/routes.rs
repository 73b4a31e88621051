//! What is served: the service behind its stack, health and reflection beside it.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body_util::Either;
use pin_project_lite::pin_project;
use tonic::{body::Body, service::Routes as TonicRoutes};
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::Builder;
use tower::{Layer, Service};

use super::{
    grpc::SampleGrpc,
    health::LifeHealth,
    health_list::{self, HealthList},
};
use crate::{
    config::Settings,
    incoming::Incoming,
    middleware::{CallStack, CountedBody, Tracked},
    proto,
    telemetry::Method,
};

/// The body of what is answered: by the service, or beside it.
pub(super) type Answer = Either<CountedBody, Body>;

/// The service with all that is around it.
type SampleStack = <CallStack as Layer<SampleGrpc>>::Service;

/// Everything that one address serves.
///
/// A method of the service is found by its path alone: tonic's router, made for any
/// number of services, costs a call more than all of its layers here. What is no
/// method is answered there, and takes no worker.
#[derive(Debug, Clone)]
pub(super) struct Routes {
    sample: Option<SampleStack>,
    beside: TonicRoutes,
}

impl Routes {
    /// Everything, for the address of the service.
    pub(super) fn all(settings: &Settings, health: LifeHealth, stack: &CallStack) -> Self {
        let mut beside = health_routes(health);
        if settings.reflection.enabled {
            let valid = "the descriptors are compiled in";
            beside = beside
                .add_service(reflection().build_v1().expect(valid))
                .add_service(reflection().build_v1alpha().expect(valid));
        }
        Self { sample: Some(stack.layer(SampleGrpc::new(settings))), beside: beside.prepare() }
    }

    /// Health, for an address that only probes use.
    pub(super) fn health_alone(health: LifeHealth) -> Self {
        Self { sample: None, beside: health_routes(health).prepare() }
    }
}

impl Service<Request<Tracked<Incoming>>> for Routes {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = RoutedCall;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Always, as each of them is.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Tracked<Incoming>>) -> RoutedCall {
        match &mut self.sample {
            Some(sample) if Method::at(request.uri().path()).is_own() => {
                RoutedCall::Sample { call: sample.call(request) }
            }
            _ => {
                let request = request.map(|tracked| tracked.body);
                RoutedCall::Beside { call: Box::pin(self.beside.call(request)) }
            }
        }
    }
}

pin_project! {
    /// A call on its way to its response.
    #[project = RoutedCallProjection]
    pub(super) enum RoutedCall {
        Sample { #[pin] call: <SampleStack as Service<Request<Tracked<Incoming>>>>::Future },
        // In a box, for it is large, and few are.
        Beside { call: Pin<Box<<TonicRoutes as Service<Request<Incoming>>>::Future>> },
    }
}

impl Future for RoutedCall {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            RoutedCallProjection::Sample { call } => {
                let Ok(response) = ready!(call.poll(cx));
                Poll::Ready(Ok(response.map(Either::Left)))
            }
            RoutedCallProjection::Beside { call } => {
                let Ok(response) = ready!(call.as_mut().poll(cx));
                Poll::Ready(Ok(response.map(Either::Right)))
            }
        }
    }
}

fn health_routes(health: LifeHealth) -> TonicRoutes {
    let list = HealthList(health.clone());
    let router = TonicRoutes::new(HealthServer::new(health)).into_axum_router();
    router.route_service(health_list::PATH, list).into()
}

fn reflection() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
