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

/// The layers below the record. In tower's type, the outermost layer is the innermost parameter.
type Layers =
    ServiceBuilder<Stack<DeadlineLayer, Stack<CatchPanicLayer, Stack<InFlightLayer, Identity>>>>;

/// All layers around a service.
pub(crate) type Layered<S> = Record<<Layers as Layer<S>>::Service>;

/// Returns the layers around a router. `grpc` gets the calls of gRPC, and `web` those of the other
/// protocols: it is the same router, but should be of another type.
// By two types the compiler makes two copies of the layers, each with one caller, and inlines that
// of gRPC into one function. With one copy for both, a call of gRPC has 2 percent more instructions,
// because its request and its response are moved more often.
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
    // Then the router finds the service. Around the service stand:
    // - the service's own layers, such as authentication: a call that they refuse takes no
    //   worker and no place in the queue;
    // - `Admission`, innermost, so that a call holds a worker only for the work of the handler.
    let has_grpc = protocols.has_grpc();
    let translate = Translate::new(layers.service(web), recorder.clone(), protocols);
    // Outermost, so that the record has what the caller gets.
    Record::new(layers.service(grpc), recorder, has_grpc, translate.boxed())
}

#[cfg(test)]
mod tests;
