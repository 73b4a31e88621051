//! The health service (gRPC Health Checking Protocol, and `List` of gRFC A90).
//!
//! The status of `""` and of each service's name is readiness, which ends when the server becomes a
//! lame duck. `liveness` is SERVING as long as the process responds, so that a platform does not
//! kill a server that is shutting down gracefully.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, stream::unfold};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::{
    lifecycle::{Condition, State},
    method::{Origin, ServiceMethods},
    proto::grpc::health::v1::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
        health_check_response::ServingStatus,
        health_server::{self, Health},
    },
    text::cut,
};

/// The name whose status is liveness.
pub(crate) const LIVENESS: &str = "liveness";

/// The size limit of a request in bytes: it has one name.
const MESSAGE_LIMIT: usize = 1024;

/// Returns the methods of the service.
pub(crate) fn methods() -> ServiceMethods {
    let methods = ServiceMethods::described(&health_server::DESCRIPTOR, Origin::Chassis);
    ServiceMethods { message_limit: Some(MESSAGE_LIMIT), ..methods }
}

/// Serves the health of the server, which follows the life cycle.
#[derive(Debug, Clone)]
pub(crate) struct HealthService {
    condition: watch::Receiver<Condition>,
    /// The names of the services that were added to the chassis.
    services: Arc<[String]>,
}

impl HealthService {
    pub(crate) fn new(condition: watch::Receiver<Condition>, services: Vec<String>) -> Self {
        Self { condition, services: services.into() }
    }

    /// Returns whether the server is ready (`""`) or alive (`liveness`).
    pub(crate) fn is_serving(&self, name: &str) -> bool {
        self.status(name, *self.condition.borrow()) == Some(ServingStatus::Serving)
    }

    /// Returns the status of `name`, or `None` if the name is unknown.
    fn status(&self, name: &str, condition: Condition) -> Option<ServingStatus> {
        let serving = match name {
            LIVENESS => true,
            "" => condition.is_ready(),
            _ if self.services.iter().any(|service| service == name) => condition.is_ready(),
            _ => return None,
        };
        Some(if serving { ServingStatus::Serving } else { ServingStatus::NotServing })
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let name = &request.get_ref().service;
        self.status(name, *self.condition.borrow())
            .map(|status| Response::new(response(status)))
            .ok_or_else(|| Status::not_found(format!("there is no health of \"{}\"", cut(name))))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        let condition = *self.condition.borrow();
        let names = ["", LIVENESS].into_iter().chain(self.services.iter().map(String::as_str));
        let statuses = names
            .filter_map(|name| Some((name.to_owned(), response(self.status(name, condition)?))))
            .collect();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// Sends the current status, and then each change, until the drain.
    ///
    /// The status of an unknown name is SERVICE_UNKNOWN, and the stream stays open, as the
    /// protocol defines it.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let name = request.into_inner().service;
        let health = self.clone();
        let statuses = unfold((self.condition.clone(), None), move |(mut watch, sent)| {
            let (name, health) = (name.clone(), health.clone());
            async move {
                loop {
                    let condition = *watch.borrow_and_update();
                    let status = health.status(&name, condition);
                    let status = status.unwrap_or(ServingStatus::ServiceUnknown);
                    if sent != Some(status) {
                        return Some((Ok(response(status)), (watch, Some(status))));
                    }
                    // A stream that stays open would delay the drain.
                    if condition.state >= State::Draining {
                        return None;
                    }
                    watch.changed().await.ok()?;
                }
            }
        });
        Ok(Response::new(Box::pin(statuses)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::lifecycle::Lifecycle;

    #[test]
    fn readiness_is_serving_only_while_ready_and_liveness_always() {
        let services = vec!["acme.Orders".to_owned()];
        let health = HealthService::new(Lifecycle::new().watch(), services);
        for (state, unready, expected) in [
            (State::Starting, 0, ServingStatus::NotServing),
            (State::Ready, 0, ServingStatus::Serving),
            (State::Ready, 1, ServingStatus::NotServing),
            (State::LameDuck, 0, ServingStatus::NotServing),
            (State::Draining, 0, ServingStatus::NotServing),
            (State::Stopped, 0, ServingStatus::NotServing),
        ] {
            let status = |name| {
                health.status(name, Condition { state, since: SystemTime::UNIX_EPOCH, unready })
            };
            assert_eq!(status(""), Some(expected), "{state:?}");
            assert_eq!(status("acme.Orders"), Some(expected), "{state:?}");
            assert_eq!(status(LIVENESS), Some(ServingStatus::Serving), "{state:?}");
            assert_eq!(status("Nonsense"), None, "{state:?}");
        }
    }
}
