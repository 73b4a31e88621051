//! What every call of the service passes through, outermost first.
//!
//! Health and reflection stand beside this stack, not behind it: they have no
//! limit to wait for. [`RecordLayer`] alone is around them too.

mod admission;
mod cause;
mod deadline;
mod in_flight;
mod panic;
mod record;
mod whole;

use tower::{
    ServiceBuilder,
    layer::util::{Identity, Stack},
};

pub use admission::{AdmissionLayer, Load, Refused};
pub use cause::Cause;
pub use deadline::DeadlineLayer;
pub use in_flight::{CountedBody, Counts, InFlight};
pub use panic::CatchPanicLayer;
pub use record::{Record, RecordLayer, RecordedBody, Tracked};
pub use whole::{AnswerWhole, Whole};

use crate::{config::Settings, telemetry::Telemetry};

/// The layers around the service. As with every type of tower, the outermost
/// comes last.
pub type CallStack = ServiceBuilder<
    Stack<AdmissionLayer, Stack<DeadlineLayer, Stack<CatchPanicLayer, Stack<InFlight, Identity>>>>,
>;

/// The stack around the service. What is given is shared by all of the process.
pub fn stack(
    settings: &Settings,
    in_flight: InFlight,
    admission: AdmissionLayer,
    telemetry: Telemetry,
) -> CallStack {
    ServiceBuilder::new()
        // Outermost, so that what counts as in flight is the whole call.
        .layer(in_flight)
        // Around the layers below too: no panic of theirs ends a connection.
        .layer(CatchPanicLayer::new(telemetry))
        // Around the queue: the wait counts.
        .layer(DeadlineLayer::new(settings.deadline.clone()))
        // Innermost: a worker does nothing but the work itself.
        .layer(admission)
}

#[cfg(test)]
mod tests;
