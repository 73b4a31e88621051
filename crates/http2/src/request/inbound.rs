//! The body of a request that arrives while its handler runs.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;

use super::error::BodyError;
use crate::inbox::{Event, Inbox, StreamRef};

/// What the connection and the reader of a body share.
#[derive(Debug)]
pub(crate) struct Inbound {
    state: Mutex<State>,
    inbox: Arc<Inbox>,
    stream: StreamRef,
    /// How many bytes of the stream's window are given back at a time.
    batch: usize,
}

#[derive(Debug, Default)]
struct State {
    data: BytesMut,
    trailers: Option<Box<HeaderMap>>,
    end: Option<Result<(), BodyError>>,
    reader: Option<Waker>,
    /// Whether the reader has dropped the body.
    is_dropped: bool,
    /// Bytes that were read since the stream's window was last given back.
    read: usize,
}

impl Inbound {
    /// Returns the body of a stream. `data` has arrived already.
    pub(crate) fn new(inbox: Arc<Inbox>, stream: StreamRef, batch: usize, data: BytesMut) -> Self {
        let state = State { data, ..State::default() };
        Self { state: Mutex::new(state), inbox, stream, batch }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is locked")
    }

    /// Adds data that has arrived. Returns how many bytes are not kept, because nothing reads
    /// them.
    pub(crate) fn push(&self, data: &[u8]) -> usize {
        let mut state = self.lock();
        if state.is_dropped {
            return data.len();
        }
        state.data.extend_from_slice(data);
        wake(state);
        0
    }

    /// Ends the body.
    pub(crate) fn end(&self, end: Result<Option<Box<HeaderMap>>, BodyError>) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        match end {
            Ok(trailers) => {
                state.trailers = trailers;
                state.end = Some(Ok(()));
            }
            Err(error) => state.end = Some(Err(error)),
        }
        wake(state);
    }

    pub(super) fn poll_frame(
        &self,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.lock();
        if let Some(Err(error)) = state.end {
            return Poll::Ready(Some(Err(error)));
        }
        if !state.data.is_empty() {
            let data = state.data.split().freeze();
            self.give_back(state, data.len());
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if state.end.is_some() {
            let trailers = state.trailers.take();
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(*trailers))));
        }
        match &mut state.reader {
            Some(waker) => waker.clone_from(cx.waker()),
            reader => *reader = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Gives bytes that were read back to the windows.
    fn give_back(&self, mut state: MutexGuard<'_, State>, bytes: usize) {
        state.read += bytes;
        let is_batch = state.end.is_none() && state.read >= self.batch;
        let read = if is_batch { mem::take(&mut state.read) } else { 0 };
        drop(state);
        self.inbox.release(bytes);
        if read > 0 {
            self.inbox.push(Event::Read(self.stream, read));
        }
    }

    /// Returns whether the reader has dropped the body.
    pub(crate) fn is_dropped(&self) -> bool {
        self.lock().is_dropped
    }

    pub(super) fn is_end(&self) -> bool {
        let state = self.lock();
        state.data.is_empty() && state.trailers.is_none() && matches!(state.end, Some(Ok(())))
    }

    /// Drops the data that has arrived, and all that will arrive.
    pub(super) fn discard(&self) {
        let mut state = self.lock();
        state.is_dropped = true;
        let unread = mem::take(&mut state.data).len();
        let is_ended = state.end.is_some();
        drop(state);
        if unread > 0 {
            self.inbox.release(unread);
        }
        if !is_ended {
            self.inbox.push(Event::Unread(self.stream));
        }
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}
