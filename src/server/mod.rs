//! Listening, connections, health, the end.
//!
//! HTTP/2 is h2's; connections and streams are served here. tonic's own server can bound
//! neither a drain nor a handshake nor the number of connections, and hyper's does for
//! each call what only other kinds of HTTP need. All that touches the server types of
//! tonic, h2 and hyper is in this module.

mod accept;
mod call_threads;
mod certificate;
mod connection;
mod drain;
mod grpc;
mod health;
mod health_list;
mod http;
mod lifecycle;
mod listener;
mod observed;
mod preface;
mod reload;
mod request;
mod routes;
mod signal;
mod stream;
mod tls;
mod transport;

use std::{future::pending, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;
use tower::Layer;

use crate::{
    config::{Faults, Settings, Shutdown},
    middleware::{self, AdmissionLayer, InFlight, RecordLayer},
    telemetry::Telemetry,
};

use accept::accept;
use connection::Connections;
use drain::Drain;
use health::LifeHealth;
use lifecycle::{Lifecycle, State};
use listener::listen;
use observed::Observed;
use routes::Routes;
use tls::Tls;

pub use call_threads::CallThreads;
pub use connection::Endings;
pub use drain::DrainReport;
pub use grpc::SampleGrpc;
pub use listener::BindError;

pub use signal::shutdown_signals;
pub use tls::check as check_tls;

/// How long the accept loops may take to end: at once, but where handlers hold
/// every thread of their runtime.
const CLOSE_GRACE: Duration = Duration::from_millis(250);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The files of TLS are at fault.
    #[error(transparent)]
    Tls(#[from] Faults),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system has no thread left.
    #[error("no thread can be started to watch the certificate: {0}")]
    Thread(io::Error),
}

/// A server that listens, and serves once it is run.
#[derive(Debug)]
pub struct Server {
    service: Bound,
    health: Option<Bound>,
    metrics: Option<MetricsPages>,
    in_flight: InFlight,
    lifecycle: Lifecycle,
    shutdown: Shutdown,
    calls: Handle,
}

/// A listener, and what is served on it.
#[derive(Debug)]
struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    connections: Arc<Connections>,
}

/// The listener of metrics, and what is answered there.
#[derive(Debug)]
struct MetricsPages {
    listener: TcpListener,
    address: SocketAddr,
    pages: http::Pages,
}

impl Server {
    /// Listens on the configured addresses. Nothing is answered yet. Calls will be
    /// served in the runtime of `calls`, metrics in the one that this is called in.
    ///
    /// # Errors
    ///
    /// Where the files of TLS are at fault, which is found before anything is
    /// listened on, or where an address cannot be listened on.
    pub fn bind(
        settings: &Settings,
        calls: &Handle,
        telemetry: &Telemetry,
    ) -> Result<Self, StartError> {
        let tls = settings.tls.as_ref().map(Tls::start).transpose()?;
        let lifecycle = Lifecycle::new();
        let in_flight = InFlight::default();
        let health = LifeHealth::new(lifecycle.watch());
        let admission = AdmissionLayer::new(settings);
        let record = RecordLayer::new(telemetry.clone());
        let bind = |address, setting, routes, tls, drain_at| {
            let _listeners_belong_to_it = calls.enter();
            let (listener, address) = listen(address, setting)?;
            let routes = record.layer(routes);
            let connections = Connections::new(routes, settings, tls, lifecycle.clone(), drain_at);
            Ok::<_, BindError>(Bound { listener, address, connections })
        };

        let stack =
            middleware::stack(settings, in_flight.clone(), admission.clone(), telemetry.clone());
        let routes = Routes::all(settings, health.clone(), &stack);
        let service =
            bind(settings.server.address, "server.address", routes, tls.clone(), State::Draining)?;
        // Probes are answered to the end, and without TLS, which those of Kubernetes
        // do not speak.
        let health = (settings.server.health_address)
            .map(|address| {
                let routes = Routes::health_alone(health);
                bind(address, "server.health_address", routes, None, State::Stopped)
            })
            .transpose()?;
        let metrics = (settings.metrics.address.zip(telemetry.metrics()))
            .map(|(address, metrics)| {
                let (listener, address) = listen(address, "metrics.address")?;
                let pages = http::Pages { metrics: metrics.clone(), state: lifecycle.watch() };
                Ok::<_, BindError>(MetricsPages { listener, address, pages })
            })
            .transpose()?;
        let observed = Observed {
            admission,
            connections: Arc::downgrade(&service.connections),
            lifecycle: lifecycle.clone(),
            tls: tls.as_ref().map(Tls::status),
            log: telemetry.log().cloned(),
        };
        if let Some(metrics) = telemetry.metrics() {
            observed.add_to(metrics);
        }
        let (shutdown, calls) = (settings.shutdown.clone(), calls.clone());
        Ok(Self { service, health, metrics, in_flight, lifecycle, shutdown, calls })
    }

    /// The address of the service, with the port that port 0 became.
    pub fn address(&self) -> SocketAddr {
        self.service.address
    }

    /// The address of health alone, where there is one.
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health.as_ref().map(|health| health.address)
    }

    /// The address of metrics, where there is one.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|metrics| metrics.address)
    }

    /// Serves until it is told to end, and then ends: as a lame duck, by a
    /// drain, at the bound by force.
    ///
    /// `shutdown` gives the reason. A second one ends the server at once. While
    /// there is none, the server goes on, even where no sender is left.
    ///
    /// This need not run where calls are served, and where it does not, no call
    /// can keep it from coming to its end.
    pub async fn run(self, mut shutdown: mpsc::Receiver<&'static str>) -> DrainReport {
        let Self { service, health, metrics, in_flight, lifecycle, shutdown: times, calls } = self;
        // Before the first connection is accepted, so that none is told otherwise.
        lifecycle.advance(State::Ready);
        let accepting = TaskTracker::new();
        accepting.spawn_on(accept(service.listener, Arc::clone(&service.connections)), &calls);
        if let Some(health) = health {
            calls.spawn(accept(health.listener, health.connections));
        }
        if let Some(MetricsPages { listener, pages, .. }) = metrics {
            // Here, where no handler can keep it from answering, and to the end of
            // this runtime: the last scrape sees what the drain did.
            tokio::spawn(http::serve(listener, pages));
        }

        let reason = next(&mut shutdown).await;
        tracing::info!(reason, delay = ?times.lame_duck, "lame duck");
        lifecycle.advance(State::LameDuck);
        let mut told_twice = tokio::select! {
            reason = next(&mut shutdown) => Some(reason),
            () = sleep(times.lame_duck) => None,
        };

        lifecycle.advance(State::Draining);
        accepting.close();
        // Either way nothing more is accepted: the process ends before long.
        let _ = timeout(CLOSE_GRACE, accepting.wait()).await;
        let drain = Drain::begin(service.connections, in_flight);
        tracing::info!(bound = ?times.drain, "draining");
        if told_twice.is_none() {
            tokio::select! {
                reason = next(&mut shutdown) => told_twice = Some(reason),
                // What is not idle by then is cut.
                _ = timeout(times.drain, drain.idle()) => {}
            }
        }
        if let Some(reason) = told_twice {
            tracing::warn!(reason, "told twice: stopping now");
        }
        let report = drain.end().await;
        lifecycle.advance(State::Stopped);
        report
    }
}

/// The next reason to end; never, where nobody is left to give one.
async fn next(shutdown: &mut mpsc::Receiver<&'static str>) -> &'static str {
    match shutdown.recv().await {
        Some(reason) => reason,
        None => pending().await,
    }
}
