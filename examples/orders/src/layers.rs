//! The service's own layers: an interceptor, and a layer that calls another service.

use std::error::Error;

use channel::Channel;
use chassis::{Body, Context, config::Secret};
use subtle::ConstantTimeEq;
use tonic::{Request, Status, service::Interceptor};

use crate::proto::{SampleRequest, sample_service_client::SampleServiceClient};

/// Returns an interceptor that refuses every call without `authorization: Bearer TOKEN`.
pub fn require_token(token: Secret) -> impl Interceptor + Clone + Send + Sync + 'static {
    move |request: Request<()>| {
        let value = request.metadata().get("authorization");
        match value.and_then(|value| value.as_bytes().strip_prefix(b"Bearer ")) {
            // In constant time, so that the time does not tell how much of a guess is right.
            Some(given) if given.ct_eq(token.expose().as_bytes()).into() => Ok(request),
            Some(_) => Err(Status::unauthenticated("the token is wrong")),
            None => Err(Status::unauthenticated("expected \"authorization: Bearer TOKEN\"")),
        }
    }
}

/// The greeting for the customer, in the extensions of a request to place an order.
#[derive(Debug, Clone, Default)]
pub struct Greeting(pub String);

/// Adds a [`Greeting`] to a request to place an order. Returns UNAVAILABLE if the greeter fails,
/// because its status says nothing about the request of our caller.
pub async fn greet(
    mut greeter: SampleServiceClient<Channel>,
    mut request: http::Request<Body>,
) -> Result<http::Request<Body>, Box<dyn Error + Send + Sync>> {
    let context = Context::of(request.extensions());
    if context.method().name() == "PlaceOrder" {
        // It carries the deadline, the trace and the request id of the call.
        let question = context.outgoing(SampleRequest { message: "customer".to_owned() });
        let failed = |status| Status::unavailable(format!("the greeter failed: {status}"));
        let reply = greeter.call(question).await.map_err(failed)?;
        request.extensions_mut().insert(Greeting(reply.into_inner().reply));
    }
    Ok(request)
}
