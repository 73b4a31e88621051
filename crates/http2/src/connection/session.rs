//! A connection while it is served: its transport, its state and its calls.

use std::{
    convert::Infallible,
    io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};
use tower::Service;

use super::{
    calls::Calls,
    core::Core,
    frames::Taken,
    keepalive::{Due, KEEPALIVE_PING, Keepalive},
    life::Life,
    limits::{
        MAX_CALLS_PER_TURN, MAX_DATA_OUTPUT, MAX_OUTPUT, MAX_READ_PER_TURN, MAX_WRITTEN_PER_TURN,
    },
    scratch,
    sink::CoreSink,
    stall::Stall,
};
use crate::{
    abuse::Abuse,
    activity::Activity,
    ended::Ended,
    frame::put_ping,
    inbox::{Event, StreamRef},
    request::RequestBody,
    response::{ResponseBody, ResponsePart, ResponseSink},
    settings::CallMode,
};

/// A connection that is served.
pub(super) struct Session<'a, I, S, F, B> {
    pub(super) io: &'a mut I,
    pub(super) core: &'a mut Core,
    service: &'a mut S,
    calls: Calls<F, B>,
    keepalive: Option<Keepalive>,
    stall: Stall,
    activity: &'a Activity,
    /// The number of streams and the highest stream when `activity` was last updated.
    published: (usize, u32),
    /// The start of a frame that has not arrived in full.
    pub(super) partial: Vec<u8>,
    /// How many bytes must have arrived before more frames can be taken.
    needed: usize,
    events: Vec<Event>,
    /// The timer that ends the wait for the peer to close. It starts when this side closes.
    pub(super) linger: Option<Pin<Box<Sleep>>>,
    pub(super) is_shut: bool,
}

impl<'a, I, S, F, B> Session<'a, I, S, F, B>
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future = F>,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: ResponseBody + Send + 'static,
{
    pub(super) fn new(
        io: &'a mut I,
        core: &'a mut Core,
        service: &'a mut S,
        mode: CallMode,
        keepalive: Option<Keepalive>,
        stall: Stall,
        activity: &'a Activity,
    ) -> Self {
        let calls = Calls::new(mode, core);
        Self {
            io,
            core,
            service,
            calls,
            keepalive,
            stall,
            activity,
            published: (0, 0),
            partial: Vec::new(),
            needed: 0,
            events: Vec::new(),
            linger: None,
            is_shut: false,
        }
    }

    /// Runs one turn. Resolves when the connection has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        self.core.output.take_scratch();
        let polled = self.poll_turns(cx);
        let is_over = self.core.count_held(self.partial.len()).is_err();
        if is_over && polled.is_pending() {
            self.core.end_for_memory();
            cx.waker().wake_by_ref();
        }
        self.publish_activity();
        self.core.output.return_scratch();
        polled
    }

    fn publish_activity(&mut self) {
        // The highest stream shows whether a stream has begun and ended since.
        let now = (self.core.streams.len(), self.core.last_stream);
        if now != self.published {
            self.published = now;
            self.activity.set_streams(now.0);
        }
    }

    fn poll_turns(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let (mut read, mut written, mut calls) = (0, 0, 0);
        loop {
            if matches!(self.core.life, Life::Closing) {
                self.drop_cancelled();
                return self.poll_close(cx);
            }
            if let Poll::Ready(Err(error)) = self.poll_read(cx, &mut read) {
                return Poll::Ready(self.lost(&error));
            }
            self.drop_cancelled();
            calls += self.start_arrived() + self.take_events();
            self.core.resume_blocked();
            calls += self.resume();
            self.poll_keepalive(cx);
            self.core.update_receive_window();
            self.core.pump();
            self.leave_if_peer_leaves();
            let waiting = self.core.output.len();
            let flushed = self.core.output.poll_flush(self.io, cx);
            let left = self.core.output.len();
            written += waiting - left;
            if let Poll::Ready(Err(error)) = flushed {
                return Poll::Ready(self.lost(&error));
            }
            if self.stall.poll(cx, left, left < waiting).is_ready() {
                return Poll::Ready(Ended::Abused(Abuse::Unread));
            }
            let is_freed = waiting >= MAX_DATA_OUTPUT && left < MAX_DATA_OUTPUT;
            self.close_if_done();
            if matches!(self.core.life, Life::Closing) {
                continue;
            }
            let is_done = !is_freed && self.core.resumed.is_empty() && !self.core.can_resume();
            self.drop_cancelled();
            if is_done && !self.core.inbox.register(cx, self.core.receive_window.until_update()) {
                if self.core.streams.is_empty() {
                    self.core.shrink();
                    self.events.shrink_to(8);
                    self.calls.shrink();
                }
                if read >= MAX_READ_PER_TURN {
                    // There may be more to read.
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            let is_turn_over = calls >= MAX_CALLS_PER_TURN
                || read >= MAX_READ_PER_TURN
                || written >= MAX_WRITTEN_PER_TURN;
            if is_turn_over {
                // Lets other tasks run.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// Reads all that has arrived, and takes its frames.
    fn poll_read(&mut self, cx: &mut Context<'_>, read: &mut usize) -> Poll<io::Result<()>> {
        let mut buffer = scratch::take_read_buffer();
        let result = loop {
            // Nothing more is read from a peer that does not read the replies to its frames.
            let is_full = self.core.output.len() >= MAX_OUTPUT;
            if is_full || *read >= MAX_READ_PER_TURN || matches!(self.core.life, Life::Closing) {
                break Poll::Pending;
            }
            let start = self.partial.len();
            let mut unfilled = ReadBuf::new(&mut buffer[start..]);
            match Pin::new(&mut *self.io).poll_read(cx, &mut unfilled) {
                Poll::Ready(Ok(())) => {}
                other => break other,
            }
            let length = unfilled.filled().len();
            if length == 0 {
                break Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            *read += length;
            if let Some(keepalive) = &mut self.keepalive {
                keepalive.record_activity();
            }
            let end = start + length;
            if end < self.needed {
                self.partial.extend_from_slice(&buffer[start..end]);
                continue;
            }
            buffer[..start].copy_from_slice(&self.partial);
            let Taken { bytes, needed } = self.core.take_frames(&buffer[..end]);
            self.needed = needed;
            self.partial.clear();
            if bytes < end {
                self.partial.extend_from_slice(&buffer[bytes..end]);
            } else {
                // Frees the memory, because the connection may be idle for long.
                self.partial = Vec::new();
            }
        };
        scratch::return_read_buffer(buffer);
        result
    }

    fn drop_cancelled(&mut self) {
        for key in mem::take(&mut self.core.cancelled) {
            self.calls.cancel(key);
        }
    }

    /// Calls the service with the requests that have arrived. Returns how many there were.
    fn start_arrived(&mut self) -> usize {
        let mut arrived = mem::take(&mut self.core.arrived);
        let count = arrived.len();
        for (stream, head) in arrived.drain(..) {
            let Some(request) = self.core.request(stream, head) else { continue };
            // Unwind safe, because the request is dropped if the call panics.
            let call = catch_unwind(AssertUnwindSafe(|| self.service.call(request)));
            let Ok(call) = call else {
                self.core.fail_response(stream.key);
                continue;
            };
            self.calls.start(self.core, stream, call);
        }
        // Keeps the list's memory for the next turn.
        self.core.arrived = arrived;
        count
    }

    /// Handles the events from calls. Returns how many events there were.
    fn take_events(&mut self) -> usize {
        let mut events = mem::take(&mut self.events);
        let released = self.core.inbox.take(&mut events);
        self.core.take_released(released);
        let count = events.len();
        for event in events.drain(..) {
            match event {
                Event::Woken(key) => self.calls.poll(self.core, key),
                Event::Read(stream, bytes) => self.core.read(stream, bytes),
                Event::Unread(stream) => self.core.unread(stream),
                Event::Responded(stream, parts) => self.take_parts(stream, parts),
            }
        }
        self.events = events;
        count
    }

    fn take_parts(&mut self, stream: StreamRef, parts: Vec<ResponsePart>) {
        for part in parts {
            // A response to HEAD is complete before its task knows that no body can follow.
            if self.core.streams.at(stream).is_none_or(|stream| stream.is_response_sent) {
                return;
            }
            let mut sink = CoreSink { core: self.core, key: stream.key };
            match part {
                ResponsePart::Head(head, is_end) => {
                    if !sink.head(*head, is_end) && !is_end {
                        // The body is not sent.
                        self.core.cancelled.push(stream.key);
                    }
                }
                ResponsePart::Data(data) => {
                    sink.data(data);
                    self.core.want_room(stream.key);
                }
                ResponsePart::End(trailers) => sink.end(trailers),
                ResponsePart::EarlyEnd(trailers) => sink.end_early(trailers),
                ResponsePart::Failed => sink.fail(),
            }
        }
    }

    /// Polls the calls that have waited for room. Returns how many there were.
    fn resume(&mut self) -> usize {
        let resumed = mem::take(&mut self.core.resumed);
        for key in &resumed {
            self.calls.resume(self.core, *key);
        }
        resumed.len()
    }

    fn poll_keepalive(&mut self, cx: &mut Context<'_>) {
        let Some(keepalive) = &mut self.keepalive else { return };
        if !self.core.awaits_pong {
            keepalive.set_acknowledged();
        }
        match keepalive.poll(cx) {
            Poll::Pending => {}
            Poll::Ready(Due::Ping) => {
                self.core.output.put(|out| put_ping(out, KEEPALIVE_PING, false));
                self.core.awaits_pong = true;
                // Registers the timer for the acknowledgement.
                let _pending = keepalive.poll(cx);
            }
            Poll::Ready(Due::TimedOut) => {
                self.core.ended.get_or_insert(Ended::Silent);
                self.core.close();
            }
        }
    }
}
