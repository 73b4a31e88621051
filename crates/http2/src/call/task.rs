//! Calls that have a task each: a call that computes does not hold up its connection.

use std::{
    borrow::Cow,
    convert::Infallible,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use pin_project_lite::pin_project;

use super::driver::Driver;
use crate::{
    inbox::{Event, Inbox, StreamRef},
    response::{ResponseBody, ResponsePart, ResponseSink},
};

/// The calls of a connection, by the keys of their streams.
pub(crate) struct Tasks {
    inbox: Arc<Inbox>,
    remotes: Vec<Option<Arc<Remote>>>,
}

/// What a connection and the task of a call share.
struct Remote {
    state: Mutex<State>,
    stream: StreamRef,
    inbox: Arc<Inbox>,
}

struct State {
    /// How many bytes of the response the connection accepts for now, counted from its start. A
    /// total, because bytes may be on their way to the connection when it sets the limit.
    limit: usize,
    /// How many bytes were passed to the connection.
    passed: usize,
    /// Whether the task waits for room.
    is_waiting: bool,
    is_cancelled: bool,
    task: Option<Waker>,
}

impl Remote {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is locked")
    }

    /// Changes the state, and wakes the task if `change` returns true.
    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        let mut state = self.lock();
        let task = if change(&mut state) { state.task.take() } else { None };
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Tasks {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox, remotes: Vec::new() }
    }

    /// Begins a call. `limit` is how many bytes of its response are accepted for now.
    pub(crate) fn start<F, B>(&mut self, stream: StreamRef, call: F, limit: usize)
    where
        F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
        B: ResponseBody + Send + 'static,
    {
        let state = Mutex::new(State {
            limit,
            passed: 0,
            is_waiting: false,
            is_cancelled: false,
            task: None,
        });
        let remote = Arc::new(Remote { state, stream, inbox: Arc::clone(&self.inbox) });
        if self.remotes.len() <= stream.key {
            self.remotes.resize_with(stream.key + 1, || None);
        }
        self.remotes[stream.key] = Some(Arc::clone(&remote));
        let sink = TaskSink { remote, parts: Vec::new(), is_ended: false };
        tokio::spawn(Task { driver: Driver::Called { call }, sink });
    }

    /// Sets how many bytes of a response are accepted for now, counted from its start.
    pub(crate) fn set_limit(&mut self, key: usize, limit: usize) {
        if let Some(Some(remote)) = self.remotes.get(key) {
            remote.change(|state| {
                state.limit = limit;
                limit > state.passed && mem::take(&mut state.is_waiting)
            });
        }
    }

    /// Cancels a call: its task drops it.
    pub(crate) fn cancel(&mut self, key: usize) {
        if let Some(remote) = self.remotes.get_mut(key).and_then(Option::take) {
            remote.change(|state| {
                state.is_cancelled = true;
                true
            });
        }
    }

    /// Frees all slots, because the connection has no calls.
    pub(crate) fn shrink(&mut self) {
        self.remotes = Vec::new();
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for key in 0..self.remotes.len() {
            self.cancel(key);
        }
    }
}

pin_project! {
    /// The task of a call.
    struct Task<F, B> {
        #[pin]
        driver: Driver<F, B>,
        // Dropped after the driver, and reports a call that has panicked.
        sink: TaskSink,
    }
}

impl<F, B> Future for Task<F, B>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: ResponseBody,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        // Before the call is polled, so that no change is missed.
        let mut state = this.sink.remote.lock();
        if state.is_cancelled {
            this.sink.is_ended = true;
            return Poll::Ready(());
        }
        match &mut state.task {
            Some(waker) => waker.clone_from(cx.waker()),
            task => *task = Some(cx.waker().clone()),
        }
        drop(state);
        let polled = this.driver.as_mut().poll(cx, this.sink);
        if polled.is_ready() {
            this.sink.is_ended = true;
            // Dropped before the response goes out, so that the call is over when the peer gets its
            // end. If dropping it panics, the response must go out all the same.
            let _panic = catch_unwind(AssertUnwindSafe(|| this.driver.set(Driver::Idle)));
        }
        this.sink.flush();
        polled
    }
}

/// Collects the response of a call.
struct TaskSink {
    remote: Arc<Remote>,
    parts: Vec<ResponsePart>,
    is_ended: bool,
}

impl TaskSink {
    fn flush(&mut self) {
        if !self.parts.is_empty() {
            let parts = mem::take(&mut self.parts);
            self.remote.inbox.push(Event::Responded(self.remote.stream, parts));
        }
    }
}

impl Drop for TaskSink {
    fn drop(&mut self) {
        // The call has panicked, or the runtime shuts down.
        if !self.is_ended {
            self.parts.push(ResponsePart::Failed);
            self.flush();
        }
    }
}

impl ResponseSink for TaskSink {
    fn head(&mut self, head: Response<()>, is_end: bool) -> bool {
        self.parts.push(ResponsePart::Head(Box::new(head), is_end));
        true
    }

    fn room(&mut self) -> usize {
        let mut state = self.remote.lock();
        let room = state.limit.saturating_sub(state.passed);
        state.is_waiting = room == 0;
        room
    }

    fn data(&mut self, data: Bytes) {
        self.remote.lock().passed += data.len();
        self.parts.push(ResponsePart::Data(data));
    }

    fn end(&mut self, trailers: Option<Cow<'static, HeaderMap>>) {
        self.parts.push(ResponsePart::End(trailers));
    }

    fn end_early(&mut self, trailers: HeaderMap) {
        self.parts.push(ResponsePart::EarlyEnd(trailers));
    }

    fn fail(&mut self) {
        self.parts.push(ResponsePart::Failed);
    }
}
