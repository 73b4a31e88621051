//! The memory budgets of the listeners, and what a connection takes of them.

use std::sync::Arc;

use http::{Request, Response};

use crate::{cause::Cause, http2::Budget, proto::grpc::health::v1::health_server};

/// The budget of the listener for health alone, in bytes. It is a part of what an idle server
/// takes.
const HEALTH_BUDGET: usize = 2 << 20;

/// What a connection takes in the process and in the kernel, in bytes.
pub(super) const CONNECTION: usize = 16 * 1024;

/// What a connection with TLS takes, in bytes: a record that has not arrived in full, a record that
/// waits to be sent, and the keys.
pub(super) const TLS_CONNECTION: usize = 48 * 1024;

/// Returns the budget of the listener for health alone.
pub(super) fn health_budget() -> Arc<Budget> {
    Budget::new(HEALTH_BUDGET)
}

/// Returns the response to a request for which there is no memory, or `None` if it is served
/// nevertheless: health is asked most when memory is short, and takes little.
pub(super) fn refuse(request: &Request<()>) -> Option<Response<()>> {
    let method = request.uri().path().strip_prefix('/')?.strip_prefix(health_server::SERVICE_NAME);
    if method == Some("/Check") {
        return None;
    }
    Some(Cause::NoMemory.response())
}
