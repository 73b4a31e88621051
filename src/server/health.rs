//! Health, as the life of the server has it.
//!
//! The names: `""` and `SampleService` are readiness, which ends with the lame
//! duck; `liveness` is SERVING as long as anything is answered, so that a
//! platform does not kill a server that is only busy ending well.

use std::pin::Pin;

use futures_util::{Stream, stream::unfold};
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_server::Health,
};

use super::State;

/// All names that have a health.
pub(super) const NAMES: [&str; 3] = ["", "SampleService", "liveness"];

/// Answers from the state of the server, and holds none of its own.
#[derive(Debug, Clone)]
pub(super) struct LifeHealth {
    state: watch::Receiver<State>,
}

impl LifeHealth {
    pub(super) fn new(state: watch::Receiver<State>) -> Self {
        Self { state }
    }

    /// Nothing where the name is not known.
    pub(super) fn status(&self, name: &str) -> Option<ServingStatus> {
        status(name, *self.state.borrow())
    }
}

/// The health of that name in that state; nothing where the name is not known.
pub(super) fn status(name: &str, state: State) -> Option<ServingStatus> {
    let ready = state == State::Ready || name == "liveness";
    let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    NAMES.contains(&name).then_some(status)
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for LifeHealth {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let name = &request.get_ref().service;
        self.status(name)
            .map(|status| Response::new(answer(status)))
            .ok_or_else(|| Status::not_found(format!("there is no health of \"{name}\"")))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// The status now, and then each change of it, until the drain.
    ///
    /// A name that is not known is SERVICE_UNKNOWN and stays open, as the health
    /// checking protocol has it.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let name = request.into_inner().service;
        let statuses = unfold((self.state.clone(), None), move |(mut watch, told)| {
            let name = name.clone();
            async move {
                loop {
                    let state = *watch.borrow_and_update();
                    let status = status(&name, state).unwrap_or(ServingStatus::ServiceUnknown);
                    if told != Some(status) {
                        return Some((Ok(answer(status)), (watch, Some(status))));
                    }
                    // A stream that stays open would hold up the drain.
                    if state >= State::Draining {
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
    use super::*;

    #[test]
    fn readiness_is_while_ready_and_liveness_is_always() {
        for (state, ready) in [
            (State::Starting, ServingStatus::NotServing),
            (State::Ready, ServingStatus::Serving),
            (State::LameDuck, ServingStatus::NotServing),
            (State::Draining, ServingStatus::NotServing),
            (State::Stopped, ServingStatus::NotServing),
        ] {
            assert_eq!(status("", state), Some(ready), "{state:?}");
            assert_eq!(status("SampleService", state), Some(ready), "{state:?}");
            assert_eq!(status("liveness", state), Some(ServingStatus::Serving), "{state:?}");
            assert_eq!(status("Nonsense", state), None, "{state:?}");
        }
    }
}
