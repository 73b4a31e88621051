//! A server with any of the layers.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use http2::{Budget, CallMode, Ended, Settings, Share};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::{
    body::{BoxError, Incoming, Outgoing},
    record::Recorded,
};

/// A way to serve a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The h2 crate.
    H2,
    /// The own layer, with calls in the task of the connection.
    InPlace,
    /// The own layer, with a task for each call.
    Tasks,
}

impl Layer {
    /// Every layer, in the order of the reports.
    pub const ALL: [Self; 3] = [Self::H2, Self::InPlace, Self::Tasks];

    /// Serves a connection until it ends.
    ///
    /// After `shut_down` resolves, the connection ends gracefully; after `stop` resolves, at once.
    pub async fn serve<I>(
        self,
        io: I,
        settings: &Settings,
        share: &Arc<Share>,
        mut handler: Handler,
        shut_down: BoxFuture<'_, ()>,
        stop: BoxFuture<'_, ()>,
    ) -> Ended
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let calls = match self {
            Self::H2 => {
                return match http2::h2::Connection::handshake(io, settings, share).await {
                    Ok(connection) => {
                        let activity = Arc::default();
                        connection.serve(&mut handler, settings, &activity, [shut_down], stop).await
                    }
                    Err(error) => Ended::Failed(error.to_string()),
                };
            }
            Self::InPlace => CallMode::InPlace,
            Self::Tasks => CallMode::Tasks,
        };
        let settings = Settings { calls, ..settings.clone() };
        match http2::Connection::handshake(io, &settings, share).await {
            Ok(connection) => {
                let activity = Arc::default();
                connection.serve(&mut handler, &settings, &activity, [shut_down], stop).await
            }
            Err(error) => Ended::Failed(error.to_string()),
        }
    }
}

/// A handler of requests.
#[derive(Clone)]
pub struct Handler(
    Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Outgoing>> + Send + Sync>,
);

impl Handler {
    /// Returns a handler that calls this function with each request.
    pub fn new<F, Fut>(handle: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<Outgoing>> + Send + 'static,
    {
        Self(Arc::new(move |request| handle(request).boxed()))
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}

impl<B> Service<Request<B>> for Handler
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Outgoing>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Outgoing>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        (self.0)(request.map(|body| body.map_err(Into::into).boxed_unsync())).map(Ok).boxed()
    }
}

/// A server of one connection, in a task of its own.
#[derive(Debug)]
pub struct Server {
    /// How the connection ended.
    pub ended: JoinHandle<Ended>,
    /// Begins the graceful shutdown.
    pub shut_down: CancellationToken,
    /// Ends the connection at once.
    pub stop: CancellationToken,
}

impl Server {
    /// Serves `io` without a limit of memory.
    pub fn on<I>(layer: Layer, io: I, settings: Settings, handler: Handler) -> Self
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self::within(&no_limit(), layer, io, settings, handler)
    }

    /// Serves `io` within a memory budget.
    ///
    /// # Panics
    ///
    /// Panics if the budget has no room for a connection.
    pub fn within<I>(
        budget: &Arc<Budget>,
        layer: Layer,
        io: I,
        settings: Settings,
        handler: Handler,
    ) -> Self
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let share = Share::open(budget, 0).expect("the budget has room");
        let io = Recorded::new(io);
        let (shut_down, stop) = (CancellationToken::new(), CancellationToken::new());
        let ended = tokio::spawn({
            let (shut_down, stop) = (shut_down.clone(), stop.clone());
            async move {
                let shut_down = shut_down.cancelled_owned().boxed();
                let stop = stop.cancelled_owned().boxed();
                layer.serve(io, &settings, &share, handler, shut_down, stop).await
            }
        });
        Self { ended, shut_down, stop }
    }

    /// Serves a pipe, and returns its other end.
    pub fn start(layer: Layer, settings: Settings, handler: Handler) -> (Self, DuplexStream) {
        let (near, far) = duplex(64 * 1024);
        (Self::on(layer, far, settings, handler), near)
    }
}

/// Returns settings for tests: similar to those of the chassis, but without keepalive.
pub fn settings() -> Settings {
    Settings {
        streams: 200,
        header_list: 16 * 1024,
        header_fields: 1000,
        window: 1024 * 1024,
        keepalive_interval: Duration::ZERO,
        keepalive_timeout: Duration::from_secs(20),
        calls: CallMode::InPlace,
        max_window: 1024 * 1024,
        stalled: Duration::ZERO,
        refuse: |_| None,
        observer: None,
    }
}

/// Returns a memory budget that is never used up.
pub fn no_limit() -> Arc<Budget> {
    Budget::new(isize::MAX as usize)
}
