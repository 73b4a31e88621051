//! What every call of the service passes through, outermost first.
//!
//! Health and reflection stand beside this stack, not behind it: they have no
//! limit to wait for, and leave no line in the access log.

mod access_log;
mod admission;
mod cause;
mod deadline;
mod in_flight;
mod panic;

use tower::{
    ServiceBuilder,
    layer::util::{Identity, Stack},
};
use tower_http::catch_panic::CatchPanicLayer;

use access_log::AccessLogLayer;
use admission::AdmissionLayer;
use deadline::DeadlineLayer;
use panic::AnswerPanic;

pub use access_log::Peer;
pub use cause::Cause;
pub use in_flight::{Counts, InFlight};

use crate::config::Settings;

/// The layers around the service. As with every type of tower, the outermost
/// comes last.
pub type CallStack = ServiceBuilder<
    Stack<
        AdmissionLayer,
        Stack<
            DeadlineLayer,
            Stack<CatchPanicLayer<AnswerPanic>, Stack<InFlight, Stack<AccessLogLayer, Identity>>>,
        >,
    >,
>;

/// The stack for one process: its clones share one limit.
pub fn stack(settings: &Settings, in_flight: InFlight) -> CallStack {
    ServiceBuilder::new()
        // Outermost, so that what it logs is what the caller got.
        .layer(AccessLogLayer)
        // Within the log, so that a call that the end of the server cut is
        // logged with the status that it got.
        .layer(in_flight)
        // Around the layers below too: no panic of theirs ends a connection.
        .layer(CatchPanicLayer::custom(AnswerPanic))
        // Around the queue: the wait counts.
        .layer(DeadlineLayer::new(settings.deadline.clone()))
        // Innermost: a worker does nothing but the work itself.
        .layer(AdmissionLayer::new(
            settings.server.max_workers.get(),
            &settings.queue,
            settings.limits.message.get() as usize,
        ))
}

#[cfg(test)]
mod tests;
