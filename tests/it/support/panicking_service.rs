//! A service that panics in the place that a call names: in any code that the call passes.
//!
//! It runs in a process of its own, as [`super::test_service`] does.

use std::{
    convert::Infallible,
    env,
    future::pending,
    pin::Pin,
    process::{Command, ExitCode},
    task::{Context, Poll},
};

use bytes::Bytes;
use chassis::{Body, Next};
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use sample_service::proto::{
    SampleRequest, SampleResponse,
    sample_service_server::{SampleService, SampleServiceServer},
};
use tonic::{Status, codegen::BoxFuture};
use tower::{Layer, Service};

use super::process::ServerProcess;

const SERVES: &str = "PANICKING_SERVICE_SERVES";

/// The header that names the place of the panic.
pub(crate) const PLACE: &str = "x-panic";

/// Starts the service with these settings in its environment: on one CPU, so that calls run in
/// place, or on all, so that each call has a task.
pub(crate) fn start(one_cpu: bool, settings: &[(&str, &str)]) -> ServerProcess {
    let program = env::current_exe().expect("this program has a file");
    let mut command = if one_cpu {
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.args(["--exact", "support::panicking_service::serve_if_told_to", "--nocapture"]);
    command.env(SERVES, "1").env_remove("RUST_LOG");
    command.env("SAMPLE__SERVER__ADDRESS", "127.0.0.1:0").env("SAMPLE__LOG__FORMAT", "json");
    ServerProcess::start_test_program(command.envs(settings.iter().copied()))
}

/// Panics when it is dropped.
#[derive(Clone)]
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        // A second panic while another unwinds would abort the process.
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[derive(Clone)]
struct Handler;

#[tonic::async_trait]
impl SampleService for Handler {
    async fn call(
        &self,
        request: tonic::Request<SampleRequest>,
    ) -> Result<tonic::Response<SampleResponse>, Status> {
        match place(request.metadata().as_ref()).as_str() {
            "handler" => panic!("handler"),
            "handler at its end" => {
                let _fragile = Fragile;
                Ok(tonic::Response::new(SampleResponse::default()))
            }
            "handler when dropped" => {
                let _fragile = Fragile;
                pending().await
            }
            "extension of the response" => {
                let mut response = tonic::Response::new(SampleResponse::default());
                response.extensions_mut().insert(Fragile);
                Ok(response)
            }
            _ => Ok(tonic::Response::new(SampleResponse::default())),
        }
    }
}

fn place(headers: &http::HeaderMap) -> String {
    headers.get(PLACE).map_or("", |place| place.to_str().expect("text")).to_owned()
}

/// A layer of the service that panics.
#[derive(Clone)]
struct Panics;

impl Layer<Next> for Panics {
    type Service = Panicking;

    fn layer(&self, inner: Next) -> Panicking {
        Panicking { inner }
    }
}

#[derive(Clone)]
struct Panicking {
    inner: Next,
}

impl Service<Request<Body>> for Panicking {
    type Response = Response<PanickingBody>;
    type Error = Infallible;
    type Future = BoxFuture<Response<PanickingBody>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let place = place(request.headers());
        assert!(place != "call of a layer", "call");
        let called = self.inner.call(request);
        Box::pin(async move {
            assert!(place != "future of a layer", "future");
            let _fragile = (place == "layer when dropped").then(|| Fragile);
            if place == "layer when dropped" {
                return pending().await;
            }
            let Ok(response) = called.await;
            let fragile = (place == "body when dropped").then(|| Fragile);
            Ok(response.map(|inner| PanickingBody { inner, place, _fragile: fragile }))
        })
    }
}

struct PanickingBody {
    inner: Body,
    place: String,
    _fragile: Option<Fragile>,
}

impl HttpBody for PanickingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        assert!(self.place != "frame of a body", "frame");
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        assert!(self.place != "end of a body", "end");
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        assert!(self.place != "size of a body", "size");
        self.inner.size_hint()
    }
}

#[test]
fn serve_if_told_to() {
    if env::var_os(SERVES).is_none() {
        return;
    }
    let service = chassis::service!().grpc(|_| SampleServiceServer::new(Handler));
    let service = service.layer(|_| Panics);
    let outcome = service.run_from(["sample-service".into(), "serve".into()]);
    assert_eq!(outcome, ExitCode::SUCCESS);
}
