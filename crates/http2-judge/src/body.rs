//! The bodies of requests and responses, of every layer.

use std::{
    error::Error,
    fmt,
    future::pending,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream};
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use http2::ResponseBody;
use tokio::time::Instant;

/// An error of a body.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The body of a request, of any layer.
pub type Incoming = UnsyncBoxBody<Bytes, BoxError>;

/// The body of a response.
pub struct Outgoing {
    frames: UnsyncBoxBody<Bytes, BoxError>,
    is_complete: bool,
    early_end: Option<BoxFuture<'static, HeaderMap>>,
}

impl Outgoing {
    /// Returns a body that has all of its frames.
    pub fn complete(bytes: impl Into<Bytes>, trailers: Option<HeaderMap>) -> Self {
        let full = Full::new(bytes.into()).map_err(BoxError::from);
        let frames = match trailers {
            Some(trailers) => {
                full.with_trailers(std::future::ready(Some(Ok(trailers)))).boxed_unsync()
            }
            None => full.boxed_unsync(),
        };
        Self { frames, is_complete: true, early_end: None }
    }

    /// Returns a body without frames.
    pub fn empty() -> Self {
        Self::complete(Bytes::new(), None)
    }

    /// Returns a body whose frames come one by one.
    pub fn stream<B>(frames: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let frames = frames.map_err(Into::into).boxed_unsync();
        Self { frames, is_complete: false, early_end: None }
    }

    /// Passes on one frame, and then stays open without another.
    #[must_use]
    pub fn never_ends(self) -> Self {
        let frames = self.frames.into_data_stream();
        // The frames are kept, not dropped, while the stream waits.
        let frames = stream::unfold((frames, false), |(mut frames, is_over)| async move {
            if is_over {
                return pending().await;
            }
            let data = frames.next().await?;
            Some((data.map(Frame::data), (frames, true)))
        });
        Self::stream(StreamBody::new(frames))
    }

    /// Ends the stream with the trailers that `end` resolves with.
    #[must_use]
    pub fn ends_early(self, end: impl Future<Output = HeaderMap> + Send + 'static) -> Self {
        Self { early_end: Some(Box::pin(end)), ..self }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("is_complete", &self.is_complete).finish_non_exhaustive()
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.frames).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_end_stream()
    }
}

impl ResponseBody for Outgoing {
    fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn poll_early_end(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: Option<Instant>,
    ) -> Poll<HeaderMap> {
        match &mut self.early_end {
            Some(end) => end.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}
