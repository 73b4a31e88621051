//! The body of every request and every response.

use std::{
    fmt, mem,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::Status;

use crate::{
    admission::StreamPermit,
    cause::Cause,
    http2::{RequestBody, ResponseBody, cause_of},
    in_flight::InFlightGuard,
    load_reports::LoadReports,
    telemetry::CallRecord,
};

/// The events that can end a response before its frames are complete.
#[derive(Default)]
struct EarlyEnd {
    deadline: Option<Pin<Box<Sleep>>>,
    cutting: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    stalled: Option<Stalled>,
}

/// The time since when the client has read nothing, and a timer for `limits.stalled`.
struct Stalled {
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

/// The frames of a streaming body.
pub(crate) type BoxFrames = Pin<Box<dyn HttpBody<Data = Bytes, Error = Status> + Send>>;

/// A body that can end early by itself.
pub(crate) type BoxResponse = Pin<Box<dyn ResponseBody<Data = Bytes, Error = Status> + Send>>;

/// The body of a request or a response.
///
/// The one message of a unary call is held without an allocation of its own. A layer may replace
/// the body of a request; [`Body::stream`] takes any frames.
#[derive(Default)]
pub struct Body {
    frames: Frames,
    // The fields below are dropped in this order, after the frames. The record is last, so that the
    // call is recorded once all of it is over.
    early_end: Option<Box<EarlyEnd>>,
    _permit: Option<Box<StreamPermit>>,
    in_flight: Option<InFlightGuard>,
    record: Option<CallRecord>,
}

#[derive(Default)]
enum Frames {
    #[default]
    Empty,
    /// The frames that the peer sends.
    Received(RequestBody),
    /// The one framed message of a unary call, and the trailers of a response.
    Message {
        data: Bytes,
        trailers: Trailers,
    },
    Stream(BoxFrames),
    /// The body of a response of gRPC-Web or Connect, around a body of gRPC.
    Translated(BoxResponse),
}

/// The trailers of a call that succeeded.
static OK_TRAILERS: LazyLock<HeaderMap> =
    LazyLock::new(|| HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]));

/// The trailers of a complete response. Small, because a body is moved several times.
#[derive(Default)]
enum Trailers {
    #[default]
    None,
    /// The status OK alone.
    Ok,
    Other(Box<HeaderMap>),
}

impl Trailers {
    fn take(&mut self) -> Option<HeaderMap> {
        match mem::take(self) {
            Self::None => None,
            Self::Ok => Some(OK_TRAILERS.clone()),
            Self::Other(trailers) => Some(*trailers),
        }
    }
}

impl Body {
    /// Returns a body without frames.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Returns a body with these frames.
    pub fn stream<B>(frames: B) -> Self
    where
        B: HttpBody<Data = Bytes, Error = Status> + Send + 'static,
    {
        Self { frames: Frames::Stream(Box::pin(frames)), ..Self::default() }
    }

    /// Returns the body of a response that is not gRPC and belongs to no call.
    pub(crate) fn plain(data: Bytes) -> Self {
        Self { frames: Frames::Message { data, trailers: Trailers::None }, ..Self::default() }
    }

    /// Returns the body of a response of gRPC-Web or Connect.
    pub(crate) fn translated<B>(body: B) -> Self
    where
        B: ResponseBody<Data = Bytes, Error = Status> + Send + 'static,
    {
        Self { frames: Frames::Translated(Box::pin(body)), ..Self::default() }
    }

    /// Returns whether the body is one message with the status OK.
    pub(crate) fn is_ok_message(&self) -> bool {
        matches!(self.frames, Frames::Message { trailers: Trailers::Ok, .. })
    }

    /// Replaces the frames by one framed message.
    pub(crate) fn set_message(&mut self, data: Bytes) {
        self.frames = Frames::Message { data, trailers: Trailers::None };
    }

    /// Returns the body of a response with one framed message and the status OK.
    pub(crate) fn response(data: Bytes) -> Self {
        Self { frames: Frames::Message { data, trailers: Trailers::Ok }, ..Self::default() }
    }

    pub(crate) fn received(body: RequestBody) -> Self {
        Self { frames: Frames::Received(body), ..Self::default() }
    }

    /// Returns the framed message if the body is one message.
    pub(crate) fn as_message(&self) -> Option<&Bytes> {
        match &self.frames {
            Frames::Message { data, .. } => Some(data),
            _ => None,
        }
    }

    /// Wraps the frames of a streaming body. A body that is complete stays as it is.
    pub(crate) fn wrap_stream<B>(&mut self, wrap: impl FnOnce(BoxFrames) -> B)
    where
        B: HttpBody<Data = Bytes, Error = Status> + Send + 'static,
    {
        self.frames = match mem::take(&mut self.frames) {
            Frames::Stream(frames) => Frames::Stream(Box::pin(wrap(frames))),
            complete => complete,
        };
    }

    /// Holds the slot of a stream until the body is dropped. Releases the slot at once if the
    /// response is complete, because then the client only has to read it.
    pub(crate) fn hold(&mut self, permit: StreamPermit) {
        if !self.is_complete() {
            self._permit = Some(Box::new(permit));
        }
    }

    /// Keeps the call in flight until the body is dropped, which happens once the client has taken
    /// the response. If the drain cuts the call before, the response ends with UNAVAILABLE.
    pub(crate) fn keep_in_flight(&mut self, guard: InFlightGuard) {
        if !self.is_complete() {
            self.early_end.get_or_insert_default().cutting = Some(Box::pin(guard.cutting()));
        }
        self.in_flight = Some(guard);
    }

    /// Ends a stream with DEADLINE_EXCEEDED at this time.
    pub(crate) fn end_at(&mut self, deadline: Instant) {
        if !self.is_complete() {
            self.early_end.get_or_insert_default().deadline = Some(Box::pin(sleep_until(deadline)));
        }
    }

    /// Records the call when the body is dropped.
    pub(crate) fn record(&mut self, record: CallRecord) {
        self.record = Some(record);
    }

    /// Reads a streaming body to its end.
    ///
    /// # Errors
    ///
    /// Returns [`Cause::BrokenResponse`] if the body fails.
    pub(crate) async fn complete(&mut self) -> Result<(), Cause> {
        let Frames::Stream(frames) = &mut self.frames else { return Ok(()) };
        let (mut data, mut trailers) = (Bytes::new(), Trailers::None);
        while let Some(frame) = frames.frame().await {
            match frame.map_err(|_| Cause::BrokenResponse)?.into_data() {
                Ok(more) => data = joined(data, more),
                Err(frame) => {
                    let read = frame.into_trailers().ok();
                    trailers = read.map_or(Trailers::None, |read| Trailers::Other(Box::new(read)));
                }
            }
        }
        self.frames = Frames::Message { data, trailers };
        Ok(())
    }
}

impl Body {
    /// Starts the timers that end a response whose client does not read it. A complete response has
    /// timers only if it is blocked, because most complete responses are sent at once.
    fn watch_reading(&mut self, blocked_since: Option<Instant>) {
        let Some(since) = blocked_since else {
            if let Some(early_end) = &mut self.early_end {
                early_end.stalled = None;
            }
            return;
        };
        let (is_complete, call) = (self.is_complete(), self.record.as_ref().map(CallRecord::call));
        let early_end = self.early_end.get_or_insert_with(|| {
            let mut early_end = Box::<EarlyEnd>::default();
            if is_complete {
                let guard = self.in_flight.as_ref();
                early_end.cutting = guard.map(|guard| Box::pin(guard.cutting()) as _);
                let deadline = call.and_then(|call| call.deadline());
                early_end.deadline = deadline.map(|deadline| Box::pin(sleep_until(deadline)));
            }
            early_end
        });
        let longest = call.map_or(Duration::ZERO, |call| call.shared().stalled);
        let is_watched = early_end.stalled.as_ref().is_some_and(|stalled| stalled.since == since);
        if !longest.is_zero() && !is_watched {
            let timer = Box::pin(sleep_until(since + longest));
            early_end.stalled = Some(Stalled { since, timer });
        }
    }

    fn load_reports(&self) -> Option<&LoadReports> {
        self.record.as_ref()?.call().load_reports()
    }

    fn poll_cause(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        let Some(early_end) = &mut self.early_end else { return Poll::Pending };
        if let Some(cutting) = &mut early_end.cutting
            && cutting.as_mut().poll(cx).is_ready()
        {
            if let Some(guard) = &mut self.in_flight {
                guard.set_cut();
            }
            return Poll::Ready(Cause::ShuttingDown);
        }
        if let Some(deadline) = &mut early_end.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Cause::DeadlineExceeded);
        }
        match &mut early_end.stalled {
            Some(stalled) => stalled.timer.as_mut().poll(cx).map(|()| Cause::NotRead),
            None => Poll::Pending,
        }
    }
}

impl ResponseBody for Body {
    fn is_complete(&self) -> bool {
        match &self.frames {
            Frames::Stream(_) | Frames::Received(_) => false,
            Frames::Translated(body) => body.is_complete(),
            Frames::Empty | Frames::Message { .. } => true,
        }
    }

    fn take_shared_trailers(mut self: Pin<&mut Self>) -> Option<&'static HeaderMap> {
        if self.load_reports().is_some() {
            return None;
        }
        match &mut self.frames {
            Frames::Message { data, trailers: trailers @ Trailers::Ok } if data.is_empty() => {
                *trailers = Trailers::None;
            }
            _ => return None,
        }
        if let Some(record) = &self.record {
            record.call().set_ok();
        }
        Some(&OK_TRAILERS)
    }

    fn poll_early_end(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        blocked_since: Option<Instant>,
    ) -> Poll<HeaderMap> {
        if let Frames::Translated(body) = &mut self.frames {
            return body.as_mut().poll_early_end(cx, blocked_since);
        }
        self.watch_reading(blocked_since);
        let cause = ready!(self.poll_cause(cx));
        let mut trailers = cause.trailers();
        if let Some(reports) = self.load_reports() {
            reports.end(&mut trailers);
        }
        // The handler's stream is dropped now, not when the client reads again.
        self.frames = Frames::Empty;
        self.early_end = None;
        if let Some(record) = &self.record {
            record.call().read_status(&trailers);
            if blocked_since.is_some() {
                record.call().shared().unread.count(&cause);
            }
        }
        Poll::Ready(trailers)
    }
}

/// Returns both, one after the other. If the first is empty, as in the usual case, nothing is
/// copied.
pub(crate) fn joined(first: Bytes, second: Bytes) -> Bytes {
    if first.is_empty() {
        return second;
    }
    let mut both = first.try_into_mut().unwrap_or_else(|shared: Bytes| BytesMut::from(&shared[..]));
    both.extend_from_slice(&second);
    both.freeze()
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.early_end.is_some()
            && let Poll::Ready(trailers) = self.as_mut().poll_early_end(cx, None)
        {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let is_ok = matches!(&self.frames,
            Frames::Message { data, trailers: Trailers::Ok } if data.is_empty());
        let mut frame = match &mut self.frames {
            Frames::Empty => None,
            Frames::Message { data, trailers } if data.is_empty() => {
                trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))
            }
            Frames::Message { data, .. } => Some(Ok(Frame::data(mem::take(data)))),
            Frames::Stream(frames) => ready!(frames.as_mut().poll_frame(cx)),
            Frames::Translated(body) => ready!(body.as_mut().poll_frame(cx)),
            Frames::Received(body) => ready!(Pin::new(body).poll_frame(cx))
                .map(|frame| frame.map_err(|error| cause_of(error).body_error())),
        };
        match (&self.record, &frame) {
            // The status is known, so the trailers are not read.
            (Some(record), _) if is_ok => record.call().set_ok(),
            (Some(record), Some(Ok(frame))) => record.observe(frame),
            _ => {}
        }
        if let Some(reports) = self.load_reports()
            && let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            reports.end(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.frames {
            Frames::Empty => true,
            Frames::Received(body) => body.is_end_stream(),
            Frames::Message { data, trailers } => {
                data.is_empty() && matches!(trailers, Trailers::None)
            }
            Frames::Stream(frames) => frames.is_end_stream(),
            Frames::Translated(body) => body.is_end_stream(),
        }
    }

    // No size hint, because a content-length would be one more header to send.
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.frames {
            Frames::Empty => "Body::Empty",
            Frames::Received(_) => "Body::Received",
            Frames::Message { .. } => "Body::Message",
            Frames::Stream(_) => "Body::Stream",
            Frames::Translated(_) => "Body::Translated",
        })
    }
}

#[cfg(test)]
impl Body {
    /// Returns the body of a request with one framed message.
    pub(crate) fn message(data: Bytes) -> Self {
        let mut body = Self::empty();
        body.set_message(data);
        body
    }
}
