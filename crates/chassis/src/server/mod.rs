//! The running server: listeners, connections, the life cycle, the drain.

mod abuses;
mod accept;
mod call_threads;
mod calls;
mod connections;
mod drain;
mod file_descriptors;
mod http1;
mod listener;
mod memory;
mod moving;
mod observed;
mod observer;
mod peer_counts;
mod registry;
mod router;
mod unix_listener;

use std::{
    fmt,
    future::{pending, ready},
    io,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tonic::codegen::BoxFuture;
use wire::socket::Socket;

use crate::{
    admin::{self, About, Token},
    admission,
    call::{Shared, Unread},
    config::{ConfigErrors, Settings, Shutdown},
    health::{self, HealthService},
    http2::Budget,
    in_flight::InFlight,
    lifecycle::{Lifecycle, State},
    load_reports::{self, LoadReports, OpenRca},
    method::{MethodTable, ServiceMethods},
    middleware::{self, Admission, Limits, Recorder},
    mount::Next,
    proto::{
        grpc::health::v1::health_server,
        xds::service::orca::v3::open_rca_service_server::{
            OpenRcaServiceServer, SERVICE_NAME as OPEN_RCA,
        },
    },
    reflection,
    telemetry::Telemetry,
    tls::Tls,
    web::{Schemas, Web},
};

use accept::accept;
use calls::Calls;
use connections::{Connections, Door};
use drain::Drain;
use file_descriptors::Shares;
use listener::{Listener, listen, listen_tcp};
use observed::Observed;
use registry::Registry;
use router::{Router, WebRouter};

pub(crate) use call_threads::CallThreads;
pub use connections::ConnectionCounts;
pub use drain::DrainReport;
pub(crate) use file_descriptors::raise_limit as raise_descriptor_limit;
pub use listener::BindError;
pub(crate) use memory::shortfall as memory_shortfall;

/// How long the accept loops, and then the followers of the admin page, may take to end. They end
/// at once, unless handlers occupy every thread of their runtime, or a follower reads nothing.
const CLOSE_GRACE: Duration = Duration::from_millis(250);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings, or the files of TLS that they name, are not valid.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The system refuses to listen on an address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system has no thread left.
    #[error("no thread can be started to {purpose}: {error}")]
    Thread {
        /// The purpose of the thread.
        purpose: &'static str,
        /// The error of the system.
        error: io::Error,
    },
    /// No exporter can be made from the variables of OpenTelemetry.
    #[error("spans cannot be exported: {0}")]
    Tracing(String),
    /// No exporter can be made from the variables of OpenTelemetry.
    #[error("log records cannot be exported: {0}")]
    LogExport(String),
    /// The service's own start failed, for example because of a dependency.
    #[error("the service cannot start: {0:#}")]
    Service(anyhow::Error),
}

impl From<crate::tls::TlsStartError> for StartError {
    fn from(error: crate::tls::TlsStartError) -> Self {
        match error {
            crate::tls::TlsStartError::Files(errors) => Self::Config(errors),
            crate::tls::TlsStartError::Thread(error) => {
                Self::Thread { purpose: "watch the certificate files", error }
            }
        }
    }
}

/// Makes the services of a server, after the service's own start.
pub(crate) type MakeServices =
    Box<dyn FnOnce(Arc<Limits>) -> BoxFuture<Vec<Next>, anyhow::Error> + Send>;

/// The parts of a server.
pub(crate) struct Setup {
    pub(crate) about: About,
    pub(crate) settings: Arc<Settings>,
    /// The services that are added to the chassis, in the order of `make_services`.
    pub(crate) services: Vec<ServiceMethods>,
    /// Encoded descriptor sets that describe them.
    pub(crate) descriptors: Vec<&'static [u8]>,
    pub(crate) make_services: MakeServices,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) tasks: TaskTracker,
}

impl Setup {
    /// Returns all methods: those of the chassis's own services first.
    pub(crate) fn methods(settings: &Settings, services: &[ServiceMethods]) -> MethodTable {
        let added = services;
        let mut services = vec![health::methods()];
        if settings.reflection.enabled {
            services.extend(reflection::methods());
        }
        if settings.load_reports.enabled {
            services.push(load_reports::methods());
        }
        services.extend(added.iter().cloned());
        MethodTable::new(&services)
    }
}

/// A server that listens, and serves when it is run.
pub struct Server {
    service: Bound,
    health: Option<Bound>,
    admin: Option<BoundAdmin>,
    in_flight: InFlight,
    lifecycle: Lifecycle,
    tasks: TaskTracker,
    shutdown: Shutdown,
    calls: Handle,
    services: Arc<OnceLock<Vec<Next>>>,
    /// `None` if the services are made already.
    starting: Option<BoxFuture<Vec<Next>, anyhow::Error>>,
}

/// A listener, and the connections that it accepts.
#[derive(Debug)]
struct Bound {
    listener: Listener,
    address: Socket,
    connections: Arc<Connections>,
}

/// The listener of metrics, and its pages.
struct BoundAdmin {
    listener: TcpListener,
    address: SocketAddr,
    pages: admin::Pages,
    /// The most connections that are open at once.
    limit: usize,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.service.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Listens on the configured addresses. Nothing is served yet.
    ///
    /// Calls will be served in the runtime of `calls`. The health address and the metrics will be
    /// served in the current runtime.
    ///
    /// # Errors
    ///
    /// Returns an error if the files of TLS are not valid, before anything is bound. Returns an
    /// error too if an address cannot be listened on, or if the service's own start fails at once.
    pub(crate) fn bind(
        setup: Setup,
        methods: MethodTable,
        calls: &Handle,
        telemetry: &Telemetry,
    ) -> Result<Self, StartError> {
        let Setup { about, settings, services, descriptors, make_services, lifecycle, tasks } =
            setup;
        let tls = settings
            .tls
            .as_ref()
            .map(|tls| Tls::start(tls, settings.server.protocols.has_http1()))
            .transpose()?;
        let queue = || admission::Queue::new(settings.server.max_workers.get(), &settings.queue);
        let limits = Arc::new(Limits {
            queue: if settings.load_reports.enabled { queue().averaged() } else { queue() },
            decompressed: queue(),
            streams: Arc::new(admission::Streams::new(settings.streaming.limit.get())),
        });
        let budget = Budget::new(settings.limits.memory.get());
        let load_reports = settings.load_reports.enabled.then(|| {
            let (limits, budget) = (Arc::clone(&limits), Arc::clone(&budget));
            Arc::new(LoadReports::new(move || observed::sample(&limits.queue, &budget)))
        });
        let shared = Arc::new(Shared {
            lifecycle: lifecycle.clone(),
            message_limit: settings.limits.message.get() as usize,
            message_timeout: settings.deadline.default.get(),
            responses: settings.compression.responses,
            stalled: settings.limits.stalled,
            unread: Unread::default(),
            load_reports: load_reports.clone(),
        });
        let web = Arc::new(Web::new(&settings, Schemas::new(&descriptors)));
        let recorder = Recorder::new(telemetry.clone(), Arc::new(methods), Arc::clone(&shared));
        let names: Vec<_> = services.iter().map(|service| service.service.to_string()).collect();
        let health = HealthService::new(lifecycle.watch(), names.clone());
        let health_next =
            Next::new(Admission::new(health_server::HealthServer::new(health.clone()), None));
        let mut chassis = vec![health_next.clone()];
        if settings.reflection.enabled {
            let mut names = names;
            names.push(health_server::SERVICE_NAME.to_owned());
            names.extend(load_reports.is_some().then(|| OPEN_RCA.to_owned()));
            chassis.extend(reflection::services(&names, &descriptors));
        }
        if let Some(reports) = load_reports {
            let service = OpenRcaServiceServer::new(OpenRca::new(reports, lifecycle.clone()));
            chassis.push(Next::new(Admission::new(service, None)));
        }
        let served = Arc::new(OnceLock::new());
        let in_flight = InFlight::default();
        let shares = Shares::new(settings.limits.connections.get());
        let per_peer = settings.limits.connections_per_peer.of(shares.service);
        let bind = |address, setting, router, in_flight, door| {
            let (listener, address) = listen(&address, settings.server.socket_mode, setting)?;
            let calls = Calls::new(middleware::layers(
                Router::clone(&router),
                WebRouter(router),
                recorder.clone(),
                Arc::clone(&web),
                in_flight,
                settings.deadline.clone(),
            ));
            let (telemetry, lifecycle) = (telemetry.clone(), lifecycle.clone());
            let connections = Connections::new(calls, &settings, telemetry, lifecycle, door);
            Ok::<_, BindError>(Bound { listener, address, connections })
        };
        let service = {
            let _listener_and_connections_belong_to_it = calls.enter();
            let router = Router::new(chassis, Arc::clone(&served));
            let door = Door {
                registry: Registry::new(shares.service, per_peer),
                tls: tls.clone(),
                drain_at: State::Draining,
                budget,
            };
            let address = settings.server.address.clone();
            bind(address, "server.address", router, in_flight.clone(), door)?
        };
        // Probes are served until the process ends, without TLS, which the probes of Kubernetes do
        // not speak. The drain does not wait for them. They are not served in the runtime of the
        // calls, so that no call can hold them up.
        let health_only = settings
            .server
            .health_address
            .map(|address| {
                let router = Router::new(vec![health_next], Arc::new(OnceLock::from(Vec::new())));
                let door = Door {
                    // All probes can come from one address.
                    registry: Registry::new(shares.health, None),
                    tls: None,
                    drain_at: State::Stopped,
                    budget: memory::health_budget(),
                };
                bind(
                    Socket::Ip(address),
                    "server.health_address",
                    router,
                    InFlight::default(),
                    door,
                )
            })
            .transpose()?;
        let admin = (settings.metrics.address.zip(telemetry.metrics()))
            .map(|(address, metrics)| {
                let (listener, address) = listen_tcp(address, "metrics.address")?;
                let token = settings.admin.token.clone();
                let token = token.map(Token::new).transpose()?;
                let (lifecycle, telemetry) = (lifecycle.clone(), telemetry.clone());
                let metrics = metrics.clone();
                let parts = admin::Parts { about, lifecycle, telemetry, metrics, health, token };
                let pages = admin::Pages::new(parts, shares.admin);
                let limit = shares.admin;
                Ok::<_, StartError>(BoundAdmin { listener, address, pages, limit })
            })
            .transpose()?;
        let observed = Observed {
            limits: Arc::clone(&limits),
            shared,
            connections: Arc::downgrade(&service.connections),
            lifecycle: lifecycle.clone(),
            tls: tls.as_ref().map(Tls::status),
            log: telemetry.log().cloned(),
        };
        if let Some(metrics) = telemetry.metrics() {
            observed.add_to(metrics);
        }
        let mut server = Self {
            service,
            health: health_only,
            admin,
            in_flight,
            lifecycle,
            tasks,
            shutdown: settings.shutdown.clone(),
            calls: calls.clone(),
            services: served,
            starting: None,
        };
        server.start_services(make_services(limits))?;
        Ok(server)
    }

    /// Makes the services now if the start does not have to wait, so that no call is refused
    /// meanwhile.
    fn start_services(
        &mut self,
        mut starting: BoxFuture<Vec<Next>, anyhow::Error>,
    ) -> Result<(), StartError> {
        let _spawned_tasks_belong_to_it = self.calls.enter();
        // A panic becomes an error, here as well as later, because the process must end with its
        // exit code.
        let polled = catch_unwind(AssertUnwindSafe(|| (&mut starting).now_or_never()));
        let polled = polled.unwrap_or_else(|_| Some(Err(anyhow::anyhow!("it panicked"))));
        match polled {
            Some(Ok(services)) if self.are_dependencies_ready() => {
                assert!(self.services.set(services).is_ok(), "the services are made once");
            }
            Some(Ok(services)) => self.starting = Some(Box::pin(ready(Ok(services)))),
            Some(Err(error)) => return Err(StartError::Service(error)),
            None => self.starting = Some(starting),
        }
        Ok(())
    }

    fn are_dependencies_ready(&self) -> bool {
        self.lifecycle.dependencies_ready().now_or_never().is_some()
    }

    /// Returns the address of the service, with the port that the system has chosen for port 0.
    pub fn address(&self) -> Socket {
        self.service.address.clone()
    }

    /// Returns the address that serves health alone, if there is one.
    pub fn health_address(&self) -> Option<SocketAddr> {
        match self.health.as_ref()?.address {
            Socket::Ip(address) => Some(address),
            Socket::Unix(_) => None,
        }
    }

    /// Returns the address of the metrics, if there is one.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// Serves until a shutdown is requested, and then shuts down gracefully: as a lame duck, then
    /// by a drain, and by force when the time of the drain has passed.
    ///
    /// `shutdown` yields the reason. A second reason ends the server at once. If `shutdown` is
    /// closed without a reason, the server goes on.
    ///
    /// Run it on another runtime than the calls, so that no call can keep it from ending.
    ///
    /// # Errors
    ///
    /// Returns [`StartError::Service`] if the service's own start fails.
    pub async fn run(
        mut self,
        mut shutdown: mpsc::Receiver<&'static str>,
    ) -> Result<DrainReport, StartError> {
        let calls = self.calls.clone();
        let starting = self.starting.take();
        let is_ready = starting.is_none();
        if is_ready {
            // Before the first connection is accepted, so that none sees another state.
            self.lifecycle.advance(State::Ready);
        }
        let accepting = TaskTracker::new();
        let Bound { listener, connections, .. } = self.service;
        accepting.spawn_on(accept(listener, Arc::clone(&connections)), &calls);
        if let Some(health) = self.health.take() {
            // In this runtime, because no call can delay it there. Health is served until the
            // runtime ends.
            tokio::spawn(accept(health.listener, health.connections));
        }
        let mut pages = None;
        if let Some(admin) = self.admin.take() {
            let BoundAdmin { listener, limit, .. } = admin;
            // In this runtime too, so that the last scrape sees the result of the drain.
            tokio::spawn(admin::serve(listener, admin.pages.clone(), limit));
            pages = Some(admin.pages);
        }

        let (services, lifecycle) = (self.services, self.lifecycle);
        let start = async {
            if let Some(starting) = starting {
                // Aborted if a shutdown is requested first.
                let made = AbortOnDropHandle::new(calls.spawn(starting)).await;
                let made = made.unwrap_or_else(|panic| Err(anyhow::Error::new(panic)));
                let made = made.map_err(StartError::Service)?;
                // Calls are refused until then.
                lifecycle.dependencies_ready().await;
                assert!(services.set(made).is_ok(), "the services are made once");
                lifecycle.advance(State::Ready);
                tracing::info!("ready");
            }
            pending::<Result<std::convert::Infallible, StartError>>().await
        };
        let reason = tokio::select! {
            Err(error) = start => {
                // Everything is stopped, because the process of the caller may go on.
                lifecycle.advance(State::Stopped);
                connections.stop.cancel();
                return Err(error);
            }
            reason = next(&mut shutdown) => reason,
        };
        let times = self.shutdown;
        tracing::info!(reason, delay = ?times.lame_duck, "lame duck");
        lifecycle.advance(State::LameDuck);
        let mut second_reason = tokio::select! {
            reason = next(&mut shutdown) => Some(reason),
            () = sleep(times.lame_duck) => None,
        };

        // Before the drain is announced, because streams can end at once.
        let drain = Drain::begin(connections, self.in_flight, self.tasks);
        lifecycle.advance(State::Draining);
        accepting.close();
        // If an accept loop has not ended by then, the drain goes on without it: the process ends
        // soon.
        let _ = timeout(CLOSE_GRACE, accepting.wait()).await;
        tracing::info!(bound = ?times.drain, "draining");
        if second_reason.is_none() {
            tokio::select! {
                reason = next(&mut shutdown) => second_reason = Some(reason),
                // Calls and connections that are left after this time are cut.
                _ = timeout(times.drain, drain.idle()) => {}
            }
        }
        if let Some(reason) = second_reason {
            tracing::warn!(reason, "second signal: stopping at once");
        }
        let report = drain.end().await;
        lifecycle.advance(State::Stopped);
        if let Some(pages) = pages {
            let _ = timeout(CLOSE_GRACE, pages.followers_ended()).await;
        }
        Ok(report)
    }
}

/// Returns the next reason to shut down. Never resolves if there is none to come.
async fn next(shutdown: &mut mpsc::Receiver<&'static str>) -> &'static str {
    match shutdown.recv().await {
        Some(reason) => reason,
        None => pending().await,
    }
}
