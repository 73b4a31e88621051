//! The layers that every call passes through.

mod admission;
mod catch_panic;
mod deadline;
mod in_flight;
mod record;
mod translate;

use std::{convert::Infallible, sync::Arc};

use http::Response;
use tower::{
    Layer, Service, ServiceBuilder,
    layer::util::{Identity, Stack},
};

pub(crate) use admission::{Admission, Limits};
pub(crate) use catch_panic::CatchPanicLayer;
pub(crate) use deadline::DeadlineLayer;
pub(crate) use in_flight::InFlightLayer;
pub(crate) use record::{Record, Recorder};

use crate::{body::Body, config, in_flight::InFlight, inbound::BoxInbound, web::Web};
use translate::Translate;

/// The layers below the record, of which tower's type has the outermost innermost.
type Layers =
    ServiceBuilder<Stack<DeadlineLayer, Stack<CatchPanicLayer, Stack<InFlightLayer, Identity>>>>;

/// All layers around a service.
pub(crate) type Layered<S> = Record<<Layers as Layer<S>>::Service>;

/// Returns the layers around the router, the outermost first. `web` has what `router` has, for the
/// calls of other protocols than gRPC.
// Two types of one router: the layers are then compiled for each alone, and those of a call of gRPC
// stay one function. A second caller of it costs each call of gRPC the copies of its request and of
// its response (2 percent of its instructions).
pub(crate) fn layers<G, W>(
    grpc: G,
    web: W,
    recorder: Recorder,
    protocols: Arc<Web>,
    in_flight: InFlight,
    deadline: config::Deadline,
) -> Layered<G>
where
    G: Service<BoxInbound, Response = Response<Body>, Error = Infallible>,
    W: Service<BoxInbound, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    W::Future: Send,
{
    let layers = ServiceBuilder::new()
        // Around all that can take time, because the drain waits for all of it.
        .layer(InFlightLayer::new(in_flight))
        // Around the layers below: a panic in any of them ends one call, not a connection.
        .layer(CatchPanicLayer)
        // Around the queue: the time in the queue counts.
        .layer(DeadlineLayer::new(deadline));
    // Then the router finds the service, and around that stand:
    // - the service's own layers, such as authentication: a call that they refuse takes no
    //   worker and no place in the queue;
    // - `Admission`, innermost: a worker does nothing but the work of the handler.
    let has_grpc = protocols.has_grpc();
    let translate = Translate::new(layers.service(web), recorder.clone(), protocols);
    // Outermost: what is recorded is what the caller gets.
    Record::new(layers.service(grpc), recorder, has_grpc, translate.boxed())
}

#[cfg(test)]
mod tests;
