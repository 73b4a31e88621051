//! Takes orders: an example of a service on the chassis, to copy from.

pub mod layers;
pub mod proto;
pub mod service;
pub mod settings;
pub mod store;

use anyhow::Context;
use channel::{Channel, user_agent};
use chassis::{App, Service};
use tonic::service::InterceptorLayer;
use tower::filter::AsyncFilterLayer;

use proto::{
    acme::orders::v1::{GetOrderRequest, Order, orders_server::OrdersServer},
    sample_service_client::SampleServiceClient,
};
use service::Orders;
use settings::Settings;
use store::Store;

/// The dependencies of the gRPC service and its layers, which exist once the service has started.
#[derive(Debug)]
pub struct Dependencies {
    store: Store,
    greeter: SampleServiceClient<Channel>,
}

/// Returns the description of the whole service.
pub fn service() -> Service<Settings, Dependencies> {
    chassis::service!()
        .settings::<Settings>(include_str!("../config/default.toml"))
        .start(start)
        // The first layer is the outermost: a caller without the token costs no greeting.
        .layer(|app| InterceptorLayer::new(layers::require_token(app.settings().token.clone())))
        .layer(|app| {
            let greeter = app.dependencies().greeter.clone();
            AsyncFilterLayer::new(move |request| layers::greet(greeter.clone(), request))
        })
        .grpc(|app| OrdersServer::new(Orders(app.dependencies().store.clone())))
        .command(generic::call_command())
        .command(generic::list_command())
        .command(generic::describe_command())
        .command(channel::health_command())
        .command(load::command::<_, Order>("/acme.orders.v1.Orders/GetOrder", |id| {
            GetOrderRequest { id }
        }))
}

/// Opens the store and the channel to the greeter, and begins the background task.
async fn start(app: App<Settings>) -> anyhow::Result<Dependencies> {
    let (settings, package) = (app.settings(), app.package());
    let store = Store::open(settings.store.clone(), app.readiness("store"))
        .await
        .with_context(|| format!("cannot open the store {}", settings.store.display()))?;
    let user_agent = user_agent(package.name, package.version);
    let greeter = Channel::from_settings(&settings.greeter, user_agent, app.tracing())?;
    app.spawn("retention", store.clone().remove_old_orders(app.clone()));
    Ok(Dependencies { store, greeter: SampleServiceClient::new(greeter) })
}
