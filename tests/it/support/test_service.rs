//! A service whose handler panics, never yields, or shows the trace that it runs in or the names
//! of its client. The sample does none of this.
//!
//! It runs the same code as the real binary, in a process of its own: this test program runs
//! itself again, with one test that serves.

use std::{
    env,
    process::{Command, ExitCode},
    sync::Arc,
    thread,
};

use opentelemetry::{Context, trace::TraceContextExt};
use sample_service::proto::{
    SampleRequest, SampleResponse,
    sample_service_server::{SampleService, SampleServiceServer},
};
use tonic::{Request, Response, Status};

use super::process::ServerProcess;

/// The variable of the process that serves.
const SERVES: &str = "TEST_SERVICE_SERVES";

/// The variable with which the handler's data panics when it is dropped, at the end of the server.
pub(crate) const PANICS_AT_THE_END: &str = "TEST_SERVICE_PANICS_AT_THE_END";

struct Data;

impl Drop for Data {
    fn drop(&mut self) {
        assert!(env::var_os(PANICS_AT_THE_END).is_none(), "{SECRET}");
    }
}

/// The message of the panic.
pub(crate) const SECRET: &str = "a secret";

/// The message whose reply is the trace of the handler's context.
pub(crate) const TRACE: &str = "trace";

/// The message whose reply has the names of the client.
pub(crate) const NAMES: &str = "names";

/// Starts the service on a free port with these settings in its environment.
pub(crate) fn start(settings: &[(&str, &str)]) -> ServerProcess {
    let mut command = Command::new(env::current_exe().expect("this program has a file"));
    command.args(["--exact", "support::test_service::serve_if_told_to", "--nocapture"]);
    command.env(SERVES, "1").env_remove("RUST_LOG");
    command.env("SAMPLE__SERVER__ADDRESS", "127.0.0.1:0").env("SAMPLE__LOG__FORMAT", "json");
    ServerProcess::start_test_program(command.envs(settings.iter().copied()))
}

/// The message that the handler logs, and then blocks its thread for ever.
pub(crate) const OCCUPY: &str = "occupy";

#[derive(Clone)]
struct Handler {
    _data: Arc<Data>,
}

#[tonic::async_trait]
impl SampleService for Handler {
    async fn call(
        &self,
        request: Request<SampleRequest>,
    ) -> Result<Response<SampleResponse>, Status> {
        if request.get_ref().message == OCCUPY {
            tracing::info!("{OCCUPY}");
            loop {
                thread::park();
            }
        }
        if request.get_ref().message == NAMES {
            let context = chassis::Context::of(request.extensions());
            let names = context.peer_names().expect("the client has shown a certificate");
            let [uris, dns, emails] = [names.uris(), names.dns_names(), names.emails()];
            let identity = context.peer_identity();
            let reply =
                format!("{identity:?} {:?} {uris:?} {dns:?} {emails:?}", names.common_name());
            return Ok(Response::new(SampleResponse { reply }));
        }
        assert!(request.into_inner().message == TRACE, "{SECRET}");
        let trace = Context::current().span().span_context().trace_id();
        Ok(Response::new(SampleResponse { reply: trace.to_string() }))
    }
}

#[test]
fn serve_if_told_to() {
    if env::var_os(SERVES).is_none() {
        return;
    }
    let handler = || Handler { _data: Arc::new(Data) };
    let service = chassis::service!().grpc(move |_| SampleServiceServer::new(handler()));
    let outcome = service.run_from(["sample-service".into(), "serve".into()]);
    let panics = env::var_os(PANICS_AT_THE_END).is_some();
    assert_eq!(outcome, if panics { ExitCode::from(70) } else { ExitCode::SUCCESS });
}
