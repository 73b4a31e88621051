//! The view of a call that handlers, interceptors and layers have.

use std::{net::SocketAddr, sync::Arc};

use http::Extensions;
use opentelemetry::Context as TraceContext;
use tokio::time::Instant;
use wire::parent::ParentCall;

use super::{peer::Peer, state::Call};
use crate::{lifecycle::State, method::Method, tls::PeerNames};

/// The context of a call. It is in the extensions of every request, under this type:
///
/// ```ignore
/// let context = Context::of(request.extensions());
/// ```
#[derive(Debug, Clone)]
pub struct Context(pub(crate) Arc<Call>);

impl Context {
    /// Returns the context from the extensions of a request.
    ///
    /// # Panics
    ///
    /// Panics if the request did not come through the chassis, or a layer has replaced its
    /// extensions.
    pub fn of(extensions: &Extensions) -> &Self {
        Self::try_of(extensions).expect("the chassis adds the context to every request")
    }

    /// Returns the context from the extensions of a request, or `None` if there is none.
    pub fn try_of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Returns the method that is called.
    pub fn method(&self) -> &Method {
        self.0.method()
    }

    /// Returns the address of the client, or `None` if it has called over a Unix socket.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.0.peer().and_then(|peer| peer.address().socket_address())
    }

    /// Returns the name that stands for the client, if mutual TLS is on. It is the common name (CN)
    /// of its certificate, or else the first URI (SPIFFE), DNS name or e-mail address.
    pub fn peer_identity(&self) -> Option<&str> {
        self.0.peer().and_then(Peer::identity)
    }

    /// Returns all names in the client's certificate, if mutual TLS is on.
    pub fn peer_names(&self) -> Option<&PeerNames> {
        self.0.peer().and_then(Peer::names)
    }

    /// Returns when the call ends at the latest, or `None` if it has no deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }

    /// Returns the caller's `x-request-id`, or the one that was made for this call.
    pub fn request_id(&self) -> String {
        self.0.request_id().with_text(ToOwned::to_owned)
    }

    /// Returns the id of the trace that the call is part of, in hexadecimal.
    pub fn trace_id(&self) -> Option<String> {
        self.0.trace_id()
    }

    /// Resolves when the server begins to drain: a stream should end now. A stream that is still
    /// open once `shutdown.drain` has passed ends with UNAVAILABLE.
    ///
    /// The future does not borrow the context, so a stream can own it.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + use<> {
        let lifecycle = self.0.shared().lifecycle.clone();
        async move { lifecycle.reached(State::Draining).await }
    }

    /// Returns whether the server has begun to drain.
    pub fn is_draining(&self) -> bool {
        self.0.shared().lifecycle.now() >= State::Draining
    }

    /// Returns an outgoing request that inherits the deadline, the trace and the request id
    /// of this call.
    pub fn outgoing<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let call = &self.0;
        request.extensions_mut().insert(ParentCall {
            deadline: call.deadline(),
            request_id: call.request_id().header(),
            trace: call.span().map_or_else(TraceContext::new, |span| span.context().clone()),
            traceparent: call.traceparent().cloned(),
        });
        request
    }
}

#[cfg(test)]
mod tests {
    use tokio_test::{assert_pending, assert_ready, task::spawn};

    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn draining_does_not_borrow_the_context() {
        let context = Context(Arc::new(testing::call_with_limit(9)));
        let lifecycle = context.0.shared().lifecycle.clone();
        let mut draining = spawn(context.draining());
        drop(context);
        assert_pending!(draining.poll());
        lifecycle.advance(State::Draining);
        assert_ready!(draining.poll());
    }
}
