//! The service of `python/web/service.proto`, in which each call says what its response is.
//!
//! It runs in a process of its own, as [`super::test_service`] does.

use std::{
    convert::Infallible,
    env,
    future::pending,
    path::Path,
    process::{Command, ExitCode},
    sync::OnceLock,
    task::{Context, Poll},
};

use bytes::Bytes;
use chassis::Body;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message;
use prost_types::Any;
use protox::Compiler;
use tonic::{
    Code, Request, Response, Status, Streaming,
    codegen::BoxFuture,
    metadata::MetadataMap,
    server::{Grpc, NamedService},
};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use super::process::ServerProcess;

/// The variable of the process that serves.
const SERVES: &str = "WEB_SERVICE_SERVES";

/// Request headers that begin with this are copied to the response's headers.
pub(crate) const ECHO: &str = "x-echo";

/// Request headers that begin with this are copied to the response's trailers.
pub(crate) const TRAIL: &str = "x-trail";

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Order {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
    #[prost(uint32, tag = "2")]
    pub(crate) replies: u32,
    #[prost(int32, tag = "3")]
    pub(crate) code: i32,
    #[prost(string, tag = "4")]
    pub(crate) problem: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) details: Vec<Any>,
    #[prost(bool, tag = "6")]
    pub(crate) hangs: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Reply {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

/// Starts the service on a free port with these settings in its environment.
pub(crate) fn start(settings: &[(&str, &str)]) -> ServerProcess {
    let mut command = Command::new(env::current_exe().expect("this program has a file"));
    command.args(["--exact", "support::web_service::serve_if_told_to", "--nocapture"]);
    command.env(SERVES, "1").env_remove("RUST_LOG");
    command.env("SAMPLE__SERVER__ADDRESS", "127.0.0.1:0").env("SAMPLE__LOG__FORMAT", "json");
    ServerProcess::start_test_program(command.envs(settings.iter().copied()))
}

#[test]
fn serve_if_told_to() {
    if env::var_os(SERVES).is_none() {
        return;
    }
    let service = chassis::service!().tonic(Some(descriptors()), |_| WebService);
    let outcome = service.run_from(["sample-service".into(), "serve".into()]);
    assert_eq!(outcome, ExitCode::SUCCESS);
}

fn descriptors() -> &'static [u8] {
    static DESCRIPTORS: OnceLock<Vec<u8>> = OnceLock::new();
    DESCRIPTORS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let includes = ["tests/it/python", "crates/protojson/fixtures"];
        let includes = includes.map(|include| folder.join(include));
        let mut compiler = Compiler::new(includes).expect("folders");
        compiler.include_imports(true).open_file("web/service.proto").expect("it is valid");
        compiler.encode_file_descriptor_set()
    })
}

#[derive(Clone)]
struct WebService;

impl NamedService for WebService {
    const NAME: &'static str = "web.WebService";
}

impl Service<http::Request<Body>> for WebService {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let trailers = copied(request.headers(), TRAIL);
            let mut grpc = Grpc::new(ProstCodec::<Reply, Order>::default());
            let response = match request.uri().path() {
                "/web.WebService/Unary" | "/web.WebService/Get" => {
                    grpc.unary(service_fn(unary), request).await
                }
                "/web.WebService/ServerStream" => {
                    grpc.server_streaming(service_fn(server_stream), request).await
                }
                "/web.WebService/ClientStream" => {
                    grpc.client_streaming(service_fn(client_stream), request).await
                }
                "/web.WebService/BidiStream" => {
                    grpc.streaming(service_fn(bidi_stream), request).await
                }
                "/web.WebService/Echo" => echo(request).await,
                _ => Status::unimplemented("no such method").into_http(),
            };
            Ok(response.map(|body| {
                tonic::body::Body::new(body.map_frame(move |mut frame| {
                    if let Some(all) = frame.trailers_mut() {
                        all.extend(trailers.clone());
                    }
                    frame
                }))
            }))
        })
    }
}

async fn unary(request: Request<Order>) -> Result<Response<Reply>, Status> {
    let (metadata, _, order) = request.into_parts();
    if order.hangs {
        return pending().await;
    }
    end(&order, &metadata)?;
    Ok(reply(&metadata, Reply { text: format!("reply for {}", order.text) }))
}

async fn server_stream(
    request: Request<Order>,
) -> Result<Response<impl Stream<Item = Result<Reply, Status>>>, Status> {
    let (metadata, _, order) = request.into_parts();
    if order.replies == 0 {
        // An error before the first reply is a response of headers alone.
        end(&order, &metadata)?;
    }
    Ok(reply(&metadata, replies(&order, &metadata)))
}

async fn client_stream(request: Request<Streaming<Order>>) -> Result<Response<Reply>, Status> {
    let (metadata, _, mut orders) = request.into_parts();
    let mut texts = Vec::new();
    while let Some(order) = orders.message().await? {
        end(&order, &metadata)?;
        texts.push(order.text);
    }
    Ok(reply(&metadata, Reply { text: texts.join(",") }))
}

async fn bidi_stream(
    request: Request<Streaming<Order>>,
) -> Result<Response<impl Stream<Item = Result<Reply, Status>>>, Status> {
    let (metadata, _, orders) = request.into_parts();
    let its = metadata.clone();
    let replies = orders.flat_map(move |order| match order {
        Ok(order) => replies(&order, &its).left_stream(),
        Err(status) => stream::iter([Err(status)]).right_stream(),
    });
    Ok(reply(&metadata, replies))
}

async fn echo(request: http::Request<Body>) -> http::Response<tonic::body::Body> {
    let framed = match request.into_body().collect().await {
        Ok(read) => read.to_bytes(),
        Err(status) => return status.into_http(),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = [Frame::data(framed), Frame::trailers(trailers)];
    let body = StreamBody::new(stream::iter(frames.map(Ok::<Frame<Bytes>, Status>)));
    let response = http::Response::builder().header("content-type", "application/grpc");
    response.body(tonic::body::Body::new(body)).expect("a response")
}

/// Returns the replies to an order, and then its status if that is an error.
fn replies(
    order: &Order,
    metadata: &MetadataMap,
) -> impl Stream<Item = Result<Reply, Status>> + use<> {
    let text = order.text.clone();
    let count = order.replies;
    let replies = (1..=count).map(move |number| Ok(Reply { text: format!("{text} {number}") }));
    let hang = stream::iter(order.hangs.then(pending::<()>)).then(|hang| hang);
    let hang = hang.filter_map(async |()| None);
    let end = stream::iter(end(order, metadata).err().map(Err));
    stream::iter(replies).chain(hang).chain(end).boxed()
}

/// Returns the status of an order if it is an error.
fn end(order: &Order, metadata: &MetadataMap) -> Result<(), Status> {
    if order.code == 0 {
        return Ok(());
    }
    let details = match &order.details[..] {
        [] => Vec::new(),
        details => {
            let (code, message) = (order.code, order.problem.clone());
            let details = details.to_vec();
            tonic_types::pb::Status { code, message, details }.encode_to_vec()
        }
    };
    let metadata = MetadataMap::from_headers(copied(metadata.as_ref(), ECHO));
    let (code, problem) = (Code::from_i32(order.code), order.problem.clone());
    Err(Status::with_details_and_metadata(code, problem, details.into(), metadata))
}

fn reply<T>(request: &MetadataMap, content: T) -> Response<T> {
    let metadata = MetadataMap::from_headers(copied(request.as_ref(), ECHO));
    Response::from_parts(metadata, content, http::Extensions::new())
}

/// Returns the headers whose names begin with this.
fn copied(headers: &HeaderMap, begin: &str) -> HeaderMap {
    let copied = headers.iter().filter(|(name, _)| name.as_str().starts_with(begin));
    copied.map(|(name, value)| (name.clone(), value.clone())).collect()
}
