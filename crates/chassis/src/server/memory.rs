//! The memory budgets of the listeners, and the memory that a connection takes.

use std::sync::Arc;

use http::{Request, Response};

use crate::{
    cause::Cause, config::Settings, http2::Budget, proto::grpc::health::v1::health_server,
};

/// The budget of the listener for health alone, in bytes. It is a part of the memory of an idle
/// server.
const HEALTH_BUDGET: usize = 2 << 20;

/// The memory that a connection takes in the process and in the kernel, in bytes.
pub(super) const CONNECTION: usize = 16 * 1024;

/// The memory that a connection with TLS takes, in bytes: also for a record that has not arrived in
/// full, a record that waits to be sent, and the keys.
pub(super) const TLS_CONNECTION: usize = 48 * 1024;

/// Returns the budget of the listener for health alone.
pub(super) fn health_budget() -> Arc<Budget> {
    Budget::new(HEALTH_BUDGET)
}

/// Returns the response to a request for which there is no memory, or `None` if it is served
/// nevertheless. A health check is served, because it matters most when memory is short, and takes
/// little.
pub(super) fn refuse(request: &Request<()>) -> Option<Response<()>> {
    let method = request.uri().path().strip_prefix('/')?.strip_prefix(health_server::SERVICE_NAME);
    if method == Some("/Check") {
        return None;
    }
    Some(Cause::NoMemory.response())
}

/// Returns a warning if the connections and the largest messages that the settings allow need more
/// than `limits.memory`, or `None` if they do not.
pub(crate) fn shortfall(settings: &Settings) -> Option<String> {
    const MIB: usize = 1 << 20;
    let limits = &settings.limits;
    let (budget, message) = (limits.memory.get(), limits.message.get() as usize);
    let (connections, workers) = (limits.connections.get(), settings.server.max_workers.get());
    let connection = if settings.tls.is_some() { TLS_CONNECTION } else { CONNECTION };
    // Twice the message, because the handler has a copy of it.
    let messages = workers.saturating_mul(2 * message);
    let need = connections.saturating_mul(connection).saturating_add(messages);
    (need > budget).then(|| {
        format!(
            "limits.memory is {}MiB, but {connections} connections of {}KiB each \
             (limits.connections) and {workers} messages of {message} bytes at work \
             (server.max_workers, limits.message) can need {}MiB: connections and large messages \
             are refused before these limits. Raise the memory, or lower these settings",
            budget / MIB,
            connection / 1024,
            need.div_ceil(MIB),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::settings;

    #[test]
    fn a_budget_below_what_connections_and_messages_need_is_a_warning() {
        let few = &[("limits.connections", "1000"), ("server.max_workers", "5")];
        let with = |more: &[(&'static str, &str)]| shortfall(&settings(&[few, more].concat()));
        // 1000 connections of 16 KiB, and twice five messages of 4 MiB.
        assert_eq!(with(&[("limits.memory", "56MiB")]), None);
        let warning = with(&[("limits.memory", "55MiB")]).expect("less than 55.6 MiB");
        assert!(warning.contains("is 55MiB") && warning.contains("can need 56MiB"), "{warning}");
        assert_eq!(with(&[("limits.memory", "36MiB"), ("limits.message", "2MiB")]), None);
    }
}
