//! The state of one call.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool, AtomicI32, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tokio::time::Instant;
use tonic::{Code, Status};
use wire::{encoding::Encoding, trace::ServerSpan, trace_context};

use super::{headers::KnownHeaders, peer::Peer, request_id::RequestId, timing::OnceDuration};
use crate::{
    cause::Cause,
    config::Responses,
    lifecycle::Lifecycle,
    load_reports::LoadReports,
    method::{Method, Origin},
    text::cut,
};

/// The data that all calls of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) lifecycle: Lifecycle,
    /// The size limit of a request message in bytes, unless its method has another.
    pub(crate) message_limit: usize,
    /// How long the one message of a streaming request may take to arrive.
    pub(crate) message_timeout: Duration,
    /// When responses are compressed.
    pub(crate) responses: Responses,
    /// How long a client may read nothing of a response; zero for no limit.
    pub(crate) stalled: Duration,
    pub(crate) unread: Unread,
    /// `None` if they are off.
    pub(crate) load_reports: Option<Arc<LoadReports>>,
}

/// How many responses ended because their clients did not read them, by reason.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    deadline: AtomicU64,
    stalled: AtomicU64,
    shutdown: AtomicU64,
}

impl Unread {
    pub(crate) fn count(&self, cause: &Cause) {
        let counter = match cause {
            Cause::DeadlineExceeded => &self.deadline,
            Cause::NotRead => &self.stalled,
            _ => &self.shutdown,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Returns the reasons, and how many responses ended for each.
    pub(crate) fn counts(&self) -> [(&'static str, f64); 3] {
        [("deadline", &self.deadline), ("stalled", &self.stalled), ("shutdown", &self.shutdown)]
            .map(|(reason, counter)| (reason, counter.load(Relaxed) as f64))
    }
}

/// A call that has begun.
///
/// Every value is valid at any time, because a call may be dropped at any point.
#[derive(Debug)]
pub(crate) struct Call {
    shared: Arc<Shared>,
    method: Arc<Method>,
    /// The path, if the method is unknown.
    unknown_path: Option<Box<str>>,
    peer: Option<Arc<Peer>>,
    request_id: RequestId,
    traceparent: Option<HeaderValue>,
    /// Boxed, because most calls have none and it is large.
    span: Option<Box<ServerSpan>>,
    start: Instant,
    /// Counted from the start.
    deadline: OnceDuration,
    response_encoding: OnceLock<Encoding>,
    given_timeout: Option<Duration>,
    has_encoding: bool,
    wait_began: OnceDuration,
    waited: OnceDuration,
    worked: OnceDuration,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    messages_in: AtomicU64,
    messages_out: AtomicU64,
    code: AtomicI32,
    request_broken: AtomicBool,
    response_ended: AtomicBool,
    /// Woken when the response has ended.
    reader: AtomicWaker,
}

impl Call {
    pub(crate) fn begin(
        shared: Arc<Shared>,
        method: Arc<Method>,
        path: &str,
        headers: KnownHeaders,
        peer: Option<Arc<Peer>>,
        span: Option<ServerSpan>,
    ) -> Self {
        let is_known = method.path() == path;
        Self {
            shared,
            unknown_path: (!is_known).then(|| cut(path).into()),
            method,
            peer,
            request_id: RequestId::new(headers.request_id),
            traceparent: headers.traceparent,
            given_timeout: headers.timeout,
            has_encoding: headers.has_encoding,
            span: span.map(Box::new),
            start: Instant::now(),
            deadline: OnceDuration::default(),
            response_encoding: OnceLock::new(),
            wait_began: OnceDuration::default(),
            waited: OnceDuration::default(),
            worked: OnceDuration::default(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            messages_in: AtomicU64::new(0),
            messages_out: AtomicU64::new(0),
            // The code of a call that is dropped before it has a status.
            code: AtomicI32::new(Code::Cancelled as i32),
            request_broken: AtomicBool::new(false),
            response_ended: AtomicBool::new(false),
            reader: AtomicWaker::new(),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns the load reports if the response has one in its trailers. Responses of health and
    /// reflection have none.
    pub(crate) fn load_reports(&self) -> Option<&LoadReports> {
        let reports = self.shared.load_reports.as_deref()?;
        (self.method.origin() == Origin::Service).then_some(reports)
    }

    pub(crate) fn method(&self) -> &Arc<Method> {
        &self.method
    }

    /// Returns the size limit of a request message in bytes.
    pub(crate) fn message_limit(&self) -> usize {
        self.method.message_limit().unwrap_or(self.shared.message_limit)
    }

    /// Returns the path of the request, cut if the method is unknown.
    pub(crate) fn path(&self) -> &str {
        self.unknown_path.as_deref().unwrap_or_else(|| self.method.path())
    }

    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.peer.as_deref()
    }

    pub(crate) fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// Returns the `traceparent` that the caller sent, if it is valid.
    pub(super) fn traceparent(&self) -> Option<&HeaderValue> {
        let is_valid = |header: &&HeaderValue| trace_context::trace_id(header.as_bytes()).is_some();
        self.traceparent.as_ref().filter(is_valid)
    }

    pub(crate) fn span(&self) -> Option<&ServerSpan> {
        self.span.as_deref()
    }

    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// Records when the call ends at the latest, counted from its start.
    pub(crate) fn set_deadline(&self, time: Duration) {
        self.deadline.set(time);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.get().map(|time| self.start + time)
    }

    /// Returns the timeout that the caller gave.
    pub(crate) fn given_timeout(&self) -> Option<Duration> {
        self.given_timeout
    }

    /// Returns whether the request has a `grpc-encoding`.
    pub(crate) fn has_encoding(&self) -> bool {
        self.has_encoding
    }

    /// Records that the messages of the response are to be compressed.
    pub(crate) fn set_response_encoding(&self, encoding: Encoding) {
        // Cannot fail, because only admission sets it, once.
        let _ = self.response_encoding.set(encoding);
    }

    /// Returns the encoding for the messages of the response, or `None` for identity.
    pub(crate) fn response_encoding(&self) -> Option<Encoding> {
        self.response_encoding.get().copied()
    }

    /// Records when the wait in the queue began and how long it took.
    pub(crate) fn record_wait(&self, began: Instant, waited: Duration) {
        self.wait_began.set(began.saturating_duration_since(self.start));
        self.waited.set(waited);
    }

    /// Returns when the wait in the queue began, counted from the start of the call.
    pub(crate) fn wait_began(&self) -> Duration {
        self.wait_began.get().unwrap_or_default()
    }

    /// Returns the time in the queue, or `None` if the call never reached the queue.
    pub(crate) fn waited(&self) -> Option<Duration> {
        self.waited.get()
    }

    /// Records for how long the call held a worker.
    pub(crate) fn record_work(&self, time: Duration) {
        self.worked.set(time);
    }

    /// Returns how long the call held a worker, or `None` if it never did.
    pub(crate) fn worked(&self) -> Option<Duration> {
        self.worked.get()
    }

    pub(crate) fn add_bytes_in(&self, bytes: usize) {
        add(&self.bytes_in, bytes as u64);
    }

    pub(crate) fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Relaxed)
    }

    pub(crate) fn add_bytes_out(&self, bytes: usize) {
        add(&self.bytes_out, bytes as u64);
    }

    pub(crate) fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Relaxed)
    }

    pub(crate) fn add_message_in(&self) {
        add(&self.messages_in, 1);
    }

    pub(crate) fn messages_in(&self) -> u64 {
        self.messages_in.load(Relaxed)
    }

    pub(crate) fn add_message_out(&self) {
        add(&self.messages_out, 1);
    }

    /// Raises the number of messages out to at least `count`.
    pub(crate) fn set_min_messages_out(&self, count: u64) {
        self.messages_out.store(self.messages_out().max(count), Relaxed);
    }

    pub(crate) fn messages_out(&self) -> u64 {
        self.messages_out.load(Relaxed)
    }

    /// Reads the status from trailers, or from the headers of a response that has nothing
    /// else ("Trailers-Only" in the gRPC HTTP/2 protocol).
    pub(crate) fn read_status(&self, headers: &HeaderMap) {
        if let Some(code) = headers.get(Status::GRPC_STATUS) {
            self.code.store(Code::from_bytes(code.as_bytes()) as i32, Relaxed);
        }
    }

    /// Takes the status back, because the response that has it is not sent yet.
    pub(crate) fn set_unfinished(&self) {
        self.code.store(Code::Cancelled as i32, Relaxed);
    }

    /// Records the status OK.
    pub(crate) fn set_ok(&self) {
        self.code.store(Code::Ok as i32, Relaxed);
    }

    /// Records that the client went away before its request was complete.
    pub(crate) fn set_request_broken(&self) {
        self.request_broken.store(true, Relaxed);
    }

    /// Returns the status of the call. It is CANCELLED if the client went away before its request
    /// was complete, because the handler's status never reached the client.
    pub(crate) fn code(&self) -> Code {
        match Code::from_i32(self.code.load(Relaxed)) {
            Code::Ok => Code::Ok,
            _ if self.request_broken.load(Relaxed) => Code::Cancelled,
            code => code,
        }
    }

    /// Records that the response has ended, and with it the request.
    pub(crate) fn end_response(&self) {
        self.response_ended.store(true, Release);
        self.reader.wake();
    }

    /// Resolves when the response has ended.
    pub(crate) fn poll_response_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.reader.register(cx.waker());
        if self.response_ended.load(Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Returns the id of the trace that the call is part of: the caller's, or the one that
    /// began here.
    pub(crate) fn trace_id(&self) -> Option<String> {
        match &self.span {
            Some(span) => Some(span.trace_id()),
            None => {
                let header = self.traceparent.as_ref()?;
                trace_context::trace_id(header.as_bytes()).map(ToOwned::to_owned)
            }
        }
    }

    /// Returns the span that the call is part of: its own, or the caller's if it has none.
    pub(crate) fn span_context(&self) -> Option<SpanContext> {
        match &self.span {
            Some(span) => Some(span.context().span().span_context().clone()),
            None => trace_context::remote_span(self.traceparent.as_ref()?.as_bytes()),
        }
    }
}

/// Adds without a read-modify-write instruction: each counter has one writer at a time, and its
/// readers need no exact value meanwhile.
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Relaxed) + amount, Relaxed);
}
