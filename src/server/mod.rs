//! Listening, connections, health, the end.

mod grpc;
mod routes;
mod signal;

use std::{io, net::SocketAddr};

use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::ServiceExt;

use crate::{config::Settings, middleware::Peer};

pub use signal::Signals;

/// The names under which readiness is asked for: the whole server, and the service.
const READINESS: [&str; 2] = ["", "SampleService"];

/// A server that listens, and serves once it is run.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    routes: Routes,
    health: HealthReporter,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}{}", hint(cause))]
pub struct BindError {
    address: SocketAddr,
    // Not `source`: the message has it already.
    cause: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; end the program that listens there, or choose another server.address (--address)"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need a privilege, or choose another server.address (--address)"
        }
        _ => "",
    }
}

impl Server {
    /// Listens on the configured address. Nothing is answered yet.
    ///
    /// # Errors
    ///
    /// Where the address cannot be listened on.
    pub async fn bind(settings: &Settings) -> Result<Self, BindError> {
        let address = settings.server.address;
        let refused = |cause| BindError { address, cause };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;

        let health = HealthReporter::new();
        set_readiness(&health, ServingStatus::NotServing).await;
        let routes = routes::routes(settings, health.clone());
        Ok(Self { listener, address, routes, health })
    }

    /// The address that is listened on, with the port that port 0 became.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is done, and then until the calls in flight are.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let connections = GracefulShutdown::new();
        set_readiness(&self.health, ServingStatus::Serving).await;

        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => serve(stream, peer, self.routes.clone(), &connections),
                    Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
                },
            }
        }

        set_readiness(&self.health, ServingStatus::NotServing).await;
        drop(self.listener);
        connections.shutdown().await;
    }
}

async fn set_readiness(health: &HealthReporter, status: ServingStatus) {
    for name in READINESS {
        health.set_service_status(name, status).await;
    }
}

fn serve(stream: TcpStream, peer: SocketAddr, routes: Routes, connections: &GracefulShutdown) {
    // Small answers must not wait for the acknowledgement of earlier ones.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "TCP_NODELAY was refused");
    }
    let service = routes.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, %peer, "a connection failed");
        }
    });
}
