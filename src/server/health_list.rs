//! `grpc.health.v1.Health/List` (gRFC A90), which tonic-health does not have.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::Request;
use tonic::{
    Response, Status,
    body::Body,
    codegen::BoxFuture,
    server::{Grpc, UnaryService},
    service::AxumBody,
};
use tonic_health::pb::HealthCheckResponse;
use tonic_prost::ProstCodec;
use tower::Service;

use super::health::{LifeHealth, NAMES};

pub(super) const PATH: &str = "/grpc.health.v1.Health/List";

/// The message of that name in `grpc/health/v1/health.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthListRequest {}

/// The message of that name in `grpc/health/v1/health.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthListResponse {
    #[prost(map = "string, message", tag = "1")]
    statuses: HashMap<String, HealthCheckResponse>,
}

/// Lists the status of every name.
#[derive(Debug, Clone)]
pub(super) struct HealthList(pub(super) LifeHealth);

impl UnaryService<HealthListRequest> for HealthList {
    type Response = HealthListResponse;
    type Future = Ready<Result<Response<HealthListResponse>, Status>>;

    fn call(&mut self, _: tonic::Request<HealthListRequest>) -> Self::Future {
        let status = |name: &str| self.0.status(name).map(i32::from).unwrap_or_default();
        let statuses = NAMES
            .iter()
            .map(|&name| (name.to_owned(), HealthCheckResponse { status: status(name) }))
            .collect();
        ready(Ok(Response::new(HealthListResponse { statuses })))
    }
}

impl Service<Request<AxumBody>> for HealthList {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<AxumBody>) -> Self::Future {
        let list = self.clone();
        Box::pin(async move {
            let mut grpc =
                Grpc::new(ProstCodec::<HealthListResponse, HealthListRequest>::default());
            Ok(grpc.unary(list, request).await)
        })
    }
}
