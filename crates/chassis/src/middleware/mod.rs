//! The layers that every call passes through.

mod admission;
mod catch_panic;
mod deadline;
mod in_flight;
mod record;

use tower::{
    ServiceBuilder,
    layer::util::{Identity, Stack},
};

pub(crate) use admission::{Admission, Limits};
pub(crate) use catch_panic::CatchPanicLayer;
pub(crate) use deadline::DeadlineLayer;
pub(crate) use in_flight::InFlightLayer;
pub(crate) use record::RecordLayer;

use crate::{config, in_flight::InFlight};

/// The layers, of which tower's type has the outermost innermost.
pub(crate) type Layers = ServiceBuilder<
    Stack<
        DeadlineLayer,
        Stack<CatchPanicLayer, Stack<InFlightLayer, Stack<RecordLayer, Identity>>>,
    >,
>;

/// Returns the layers around the router, the outermost first.
pub(crate) fn layers(
    record: RecordLayer,
    in_flight: InFlight,
    deadline: config::Deadline,
) -> Layers {
    ServiceBuilder::new()
        // Outermost: what is recorded is what the caller gets.
        .layer(record)
        // Around all that can take time, because the drain waits for all of it.
        .layer(InFlightLayer::new(in_flight))
        // Around the layers below: a panic in any of them ends one call, not a connection.
        .layer(CatchPanicLayer)
        // Around the queue: the time in the queue counts.
        .layer(DeadlineLayer::new(deadline))
    // Then the router finds the service, and around that stand:
    // - the service's own layers, such as authentication: a call that they refuse takes no
    //   worker and no place in the queue;
    // - `Admission`, innermost: a worker does nothing but the work of the handler.
}

#[cfg(test)]
mod tests;
