//! The helpers of the tests: the service in this process, the real binary, a greeter, clients.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod greeter;
pub(crate) mod process;
pub(crate) mod python;

use std::{ffi::OsString, path::Path, time::Duration};

use chassis::{DrainReport, Server, StartError, config::Layers};
use orders::proto::acme::orders::v1::{
    ChatMessage, GetOrderRequest, PlaceOrderRequest, WatchOrdersRequest,
    orders_client::OrdersClient,
};
use tempfile::TempDir;
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};
use tonic::{
    Request, Status,
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

pub(crate) const TOKEN: &str = "token of the tests";

/// Longer than any wait of a test that passes. Only a test that fails waits this long.
pub(crate) const NEVER: Duration = Duration::from_secs(60);

/// Returns the variables for these settings, such as `("server.max_workers", "2")`, and those
/// that every test needs.
pub(crate) fn variables(folder: &Path, changes: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    let store = folder.join("orders.redb");
    let variable = |(key, value): (&str, &str)| {
        let name = format!("ORDERS__{}", key.to_uppercase().replace('.', "__"));
        (name.into(), value.into())
    };
    let mut variables = vec![
        variable(("server.address", "127.0.0.1:0")),
        variable(("service.token", TOKEN)),
        variable(("service.store", &store.to_string_lossy())),
        variable(("shutdown.lame_duck", "0s")),
    ];
    variables.extend(changes.iter().copied().map(variable));
    variables
}

/// A server in this process.
pub(crate) struct InProcess {
    pub(crate) address: String,
    pub(crate) shutdown: mpsc::Sender<&'static str>,
    pub(crate) report: JoinHandle<Result<DrainReport, StartError>>,
    pub(crate) folder: TempDir,
}

impl InProcess {
    /// Starts `orders` with these settings.
    pub(crate) fn start(changes: &[(&str, &str)]) -> Self {
        Self::start_in(TempDir::new().expect("a folder"), changes)
    }

    pub(crate) fn start_in(folder: TempDir, changes: &[(&str, &str)]) -> Self {
        let environment = variables(folder.path(), changes);
        let layers = Layers { environment, ..Layers::default() };
        Self::run(orders::service().bind(&layers, &Handle::current()), folder)
    }

    /// Starts another service, which has no settings of its own.
    pub(crate) fn start_other<S, D>(
        service: chassis::Service<S, D>,
        changes: &[(&str, &str)],
    ) -> Self
    where
        S: Send + Sync + 'static,
        D: Send + Sync + 'static,
    {
        let folder = TempDir::new().expect("a folder");
        let mut environment = variables(folder.path(), changes);
        environment.retain(|(name, _)| !name.to_string_lossy().contains("__SERVICE__"));
        let layers = Layers { environment, ..Layers::default() };
        Self::run(service.bind(&layers, &Handle::current()), folder)
    }

    fn run(server: Result<Server, StartError>, folder: TempDir) -> Self {
        let server = server.expect("valid settings and a free port");
        let address = server.address().to_string();
        let (shutdown, reasons) = mpsc::channel(2);
        let report = tokio::spawn(server.run(reasons));
        Self { address, shutdown, report, folder }
    }

    /// Shuts down, and returns the report and the folder of the store.
    pub(crate) async fn stop(self) -> (DrainReport, TempDir) {
        self.shutdown.send("the test").await.expect("it runs");
        let report = self.report.await.expect("no panic").expect("it has started");
        (report, self.folder)
    }
}

type AddToken = fn(Request<()>) -> Result<Request<()>, Status>;
pub(crate) type Client = OrdersClient<InterceptedService<Channel, AddToken>>;

pub(crate) fn add_token(mut request: Request<()>) -> Result<Request<()>, Status> {
    let value = format!("Bearer {TOKEN}").parse().expect("ASCII");
    request.metadata_mut().insert("authorization", value);
    Ok(request)
}

pub(crate) async fn connect(address: &str) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    endpoint.connect().await.expect("a server")
}

/// Returns a client on a connection of its own, once the service is ready.
pub(crate) async fn client(address: &str) -> Client {
    let channel = connect(address).await;
    wait_for_health(channel.clone(), "", ServingStatus::Serving).await;
    with_token(channel)
}

pub(crate) fn with_token(channel: Channel) -> Client {
    OrdersClient::with_interceptor(channel, add_token as AddToken)
}

pub(crate) async fn health(channel: Channel, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.to_owned() };
    let response = HealthClient::new(channel).check(request).await.expect("health is served");
    response.into_inner().status()
}

/// Waits until the health of a service has this status.
pub(crate) async fn wait_for_health(channel: Channel, service: &str, status: ServingStatus) {
    let request = HealthCheckRequest { service: service.to_owned() };
    let watch = HealthClient::new(channel).watch(request).await.expect("health is served");
    let mut statuses = watch.into_inner();
    let waited = tokio::time::timeout(NEVER, async {
        while statuses.message().await.expect("no error").expect("no end").status() != status {}
    });
    waited.await.expect("it gets this status");
}

pub(crate) fn get(id: u64) -> GetOrderRequest {
    GetOrderRequest { id: id.to_string() }
}

pub(crate) fn place(item: &str, quantity: u32) -> PlaceOrderRequest {
    PlaceOrderRequest { item: item.to_owned(), quantity }
}

pub(crate) fn watch(after: u64) -> WatchOrdersRequest {
    WatchOrdersRequest { after }
}

pub(crate) fn chat(text: &str) -> ChatMessage {
    ChatMessage { text: text.to_owned() }
}
