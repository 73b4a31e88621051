//! The services of a server as one type, which the router calls and a service's own layers wrap.

use std::{
    any::Any,
    convert::Infallible,
    error::Error,
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tonic::{Status, codegen::BoxFuture};
use tower::{Layer, Service};

use crate::{
    body::Body,
    call,
    inbound::{BoxInbound, Inbound},
    message::CountMessages,
};

type BoxError = Box<dyn Error + Send + Sync>;

/// A service with the layers that the request still has to pass. Clones share it.
///
/// A tower layer that is added to the chassis wraps this.
#[derive(Clone)]
pub struct Next(Arc<dyn Call>);

/// Calls a service. The future is boxed once, however many layers are in it.
pub(crate) trait Call: Send + Sync {
    fn call(&self, request: BoxInbound) -> BoxFuture<Response<Body>, Infallible>;
}

impl Next {
    pub(crate) fn new(service: impl Call + 'static) -> Self {
        Self(Arc::new(service))
    }

    pub(crate) fn respond(&self, request: BoxInbound) -> BoxFuture<Response<Body>, Infallible> {
        self.0.call(request)
    }
}

impl Service<Request<Body>> for Next {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let call = Arc::clone(&call::Context::of(request.extensions()).0);
        self.0.call(Box::new(Inbound { request, call }))
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Next")
    }
}

/// Puts one layer around a service.
pub(crate) type AddLayer = Box<dyn Fn(Next) -> Next + Send + Sync>;

/// Returns a function that puts `layer` around a service.
pub(crate) fn add_layer<L, R>(layer: L) -> AddLayer
where
    L: Layer<Next> + Send + Sync + 'static,
    L::Service: Service<Request<Body>, Response = Response<R>> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request<Body>>>::Error: Into<BoxError>,
    <L::Service as Service<Request<Body>>>::Future: Send,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    Box::new(move |next| Next::new(WithLayer(layer.layer(next))))
}

struct WithLayer<S>(S);

impl<S, R> Call for WithLayer<S>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    fn call(&self, request: BoxInbound) -> BoxFuture<Response<Body>, Infallible> {
        let mut service = self.0.clone();
        let call = Arc::clone(&request.call);
        Box::pin(async move {
            if let Err(response) = ready(&mut service).await {
                return Ok(response);
            }
            let called = service.call(request.request).await;
            Ok(response(called, &call))
        })
    }
}

/// Waits until a service is ready. If the service fails, returns the response for its error.
pub(crate) async fn ready<S>(service: &mut S) -> Result<(), Response<Body>>
where
    S: Service<Request<Body>>,
    S::Error: Into<BoxError>,
{
    let ready = poll_fn(|cx| service.poll_ready(cx)).await;
    ready.map_err(|error| Status::from_error(error.into()).into_http())
}

/// Returns the response of any tower service for gRPC, with the chassis's body.
///
/// An error becomes the `tonic::Status` that it contains, or else UNKNOWN.
pub(crate) fn response<R, E>(
    called: Result<Response<R>, E>,
    call: &Arc<call::Call>,
) -> Response<Body>
where
    E: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    let response = match called {
        Ok(response) => response,
        Err(error) => return Status::from_error(error.into()).into_http(),
    };
    // The chassis's own body is returned as it is. Any other is another library's, such as the
    // body of a tonic server.
    let mut response = Some(response);
    if let Some(own) = (&mut response as &mut dyn Any).downcast_mut::<Option<Response<Body>>>() {
        return own.take().expect("it was put there above");
    }
    let response = response.expect("it was not taken");
    response.map(|body| Body::stream(CountMessages::new(body, Arc::clone(call))))
}
