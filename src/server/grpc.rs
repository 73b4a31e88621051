//! The service as gRPC calls it: by tonic's generated code, or past it.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use prost::Message;
use tonic::{Request, Response, Status, codec::CompressionEncoding, codegen::BoxFuture};
use tower::Service;

use crate::{
    config::Settings,
    framing::{NOT_COMPRESSED, PREFIX, framed},
    middleware::{AnswerWhole, Whole},
    proto::{
        SampleRequest, SampleResponse,
        sample_service_server::{SampleService, SampleServiceServer},
    },
    service::Sample,
};

const CALL: &str = "/SampleService/Call";
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

#[tonic::async_trait]
impl SampleService for Sample {
    async fn call(
        &self,
        request: Request<SampleRequest>,
    ) -> Result<Response<SampleResponse>, Status> {
        let encoding = request.metadata().get("grpc-encoding");
        let compressed = encoding.is_some_and(|encoding| encoding != "identity");
        // By its path: `self.call` would be this very function.
        let mut answer = Response::new(Sample::call(self, request.into_inner()).await);
        if !compressed {
            // Many clients accept compression that did not ask for it, and pay
            // for it with every call.
            answer.disable_compression();
        }
        Ok(answer)
    }
}

/// Everything that tonic's generated code serves, and the plainest of calls, which
/// almost all are, without it: streams, boxes and codecs for any method cost a call
/// of one small message more than all else that is done for it here.
///
/// A method that is not named here is served all the same.
#[derive(Debug, Clone)]
pub struct SampleGrpc {
    sample: Sample,
    generated: AnswerWhole<SampleServiceServer<Sample>>,
}

impl SampleGrpc {
    /// With the limits that stand in the settings.
    pub fn new(settings: &Settings) -> Self {
        let sample = Sample::new(settings.service.work);
        let generated = SampleServiceServer::new(sample.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Zstd)
            // After decompression; what arrives is limited by the stack.
            .max_decoding_message_size(settings.limits.message.get() as usize);
        Self { sample, generated: AnswerWhole::new(generated) }
    }
}

impl Service<http::Request<Whole>> for SampleGrpc {
    type Response = http::Response<Whole>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Whole>) -> Self::Future {
        if let Some(message) = plain_message(&request) {
            let sample = self.sample.clone();
            return Box::pin(async move { Ok(answer(&sample.call(message).await)) });
        }
        self.generated.call(request)
    }
}

/// The message of a call that needs nothing but to be decoded.
fn plain_message(request: &http::Request<Whole>) -> Option<SampleRequest> {
    let data = &request.body().data;
    let is_plain = request.uri().path() == CALL
        && data.first() == Some(&NOT_COMPRESSED)
        && !request.headers().contains_key(&ENCODING);
    // The generated code says what is wrong with one that does not decode.
    is_plain.then(|| SampleRequest::decode(&data[PREFIX..]).ok())?
}

fn answer(message: &SampleResponse) -> http::Response<Whole> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let mut response =
        http::Response::new(Whole { data: framed(message), trailers: Some(trailers) });
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}
