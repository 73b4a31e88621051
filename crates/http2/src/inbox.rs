//! Events from calls to their connection. The calls may run in other tasks.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Waker},
};

use crate::{memory::Share, response::ResponsePart};

/// How many bytes of memory a byte of a body takes: a buffer that grows has up to twice the bytes
/// that are in it.
pub(crate) const BUFFER_FACTOR: usize = 2;

/// Identifies a stream by its slot, the key, and its identifier. If the slot has a stream with
/// another identifier by now, this stream is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamRef {
    pub(crate) key: usize,
    pub(crate) id: u32,
}

/// Something that has happened to a stream.
#[derive(Debug)]
pub(crate) enum Event {
    /// The call with this key can be polled again.
    Woken(usize),
    /// This many bytes of the request's body were read.
    Read(StreamRef, usize),
    /// Nothing reads the rest of the request's body.
    Unread(StreamRef),
    /// A call in its own task has produced these parts of its response.
    Responded(StreamRef, Vec<ResponsePart>),
}

/// The events that a connection has not taken yet.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    share: Arc<Share>,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Event>,
    /// Bytes of bodies that no longer occupy the connection's window.
    released: usize,
    /// How many released bytes wake the connection.
    batch: usize,
    /// Wakes the connection, if it waits.
    connection: Option<Waker>,
}

impl Inbox {
    /// Returns an empty inbox.
    pub(crate) fn new(share: Arc<Share>) -> Self {
        Self { state: Mutex::default(), share }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is locked")
    }

    /// Adds an event, and wakes the connection.
    pub(crate) fn push(&self, event: Event) {
        let mut state = self.lock();
        state.events.push(event);
        let connection = state.connection.take();
        drop(state);
        if let Some(connection) = connection {
            connection.wake();
        }
    }

    /// Gives bytes of bodies back to the connection's window.
    pub(crate) fn release(&self, bytes: usize) {
        self.share.body_read(BUFFER_FACTOR * bytes);
        let mut state = self.lock();
        state.released += bytes;
        let connection = if state.released >= state.batch { state.connection.take() } else { None };
        drop(state);
        if let Some(connection) = connection {
            connection.wake();
        }
    }

    /// Moves all events to `events`, which is empty. Returns the bytes that were released.
    pub(crate) fn take(&self, events: &mut Vec<Event>) -> usize {
        let mut state = self.lock();
        std::mem::swap(&mut state.events, events);
        std::mem::take(&mut state.released)
    }

    /// Registers the connection to be woken by an event, or when `batch` bytes are released.
    /// Returns true without registering if one of these has happened already.
    pub(crate) fn register(&self, cx: &Context<'_>, batch: usize) -> bool {
        let mut state = self.lock();
        if !state.events.is_empty() || state.released >= batch {
            return true;
        }
        state.batch = batch;
        match &mut state.connection {
            Some(waker) => waker.clone_from(cx.waker()),
            connection => *connection = Some(cx.waker().clone()),
        }
        false
    }
}
