//! The handler of the requests.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use http2_judge::{
    body::{BoxError, Outgoing},
    server::Handler,
};

/// The paths that a script asks for.
pub(crate) const PATHS: [&str; 5] = ["/echo", "/early", "/stream", "/wait", "/large"];

static LARGE: [u8; 128 * 1024] = [0; 128 * 1024];

/// Returns a handler that echoes, or does what the path says.
pub(crate) fn handler() -> Handler {
    Handler::new(|request| async move {
        Response::new(match request.uri().path() {
            "/early" => Outgoing::empty(),
            "/large" => Outgoing::complete(Bytes::from_static(&LARGE), Some(trailers())),
            "/stream" => {
                let data = Bytes::from_static(&LARGE[..9_000]);
                let frames = (0..20).map(move |_| Ok::<_, BoxError>(Frame::data(data.clone())));
                let end = std::iter::once(Ok(Frame::trailers(trailers())));
                Outgoing::stream(StreamBody::new(stream::iter(frames.chain(end)))).ends_early(
                    async {
                        tokio::time::sleep(std::time::Duration::from_secs(15)).await;
                        trailers()
                    },
                )
            }
            "/wait" => std::future::pending().await,
            _ => match request.into_body().collect().await {
                Ok(body) => {
                    let trailers = body.trailers().cloned();
                    Outgoing::complete(body.to_bytes(), trailers)
                }
                Err(_reset) => Outgoing::empty(),
            },
        })
    })
}

fn trailers() -> HeaderMap {
    let name = HeaderName::from_static("grpc-status");
    HeaderMap::from_iter([(name, HeaderValue::from_static("0"))])
}
