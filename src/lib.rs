//! A small gRPC microservice that behaves in production.
//!
//! - [`mod@service`]: the handlers.
//! - [`settings`]: its own settings.
//! - [`call`]: the `call` command.
//! - [`proto`]: the messages, as generated.
//!
//! Everything else is the chassis's: serving, limits, graceful shutdown, logging, metrics,
//! tracing and configuration.

pub mod call;
pub mod proto;
pub mod service;
pub mod settings;

use chassis::Service;

use proto::{SampleRequest, SampleResponse, sample_service_server::SampleServiceServer};
use service::Sample;
use settings::Settings;

/// Returns the description of the whole service: settings, gRPC services, commands.
pub fn service() -> Service<Settings> {
    chassis::service!()
        .settings::<Settings>(settings::DEFAULTS)
        .flags(settings::FLAGS)
        .grpc(|app| SampleServiceServer::new(Sample::new(app.settings().work)))
        .command(call::command())
        .command(generic::list_command())
        .command(generic::describe_command())
        .command(channel::health_command())
        .command(load::command::<_, SampleResponse>("/SampleService/Call", |message| {
            SampleRequest { message }
        }))
}
