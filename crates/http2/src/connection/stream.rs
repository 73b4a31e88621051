//! One stream.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::{
    limits::MAX_PENDING,
    window::{ReceiveWindow, SendWindow},
};
use crate::{
    frame::MAX_PAYLOAD,
    request::{BodyError, Inbound},
};

/// An open stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    /// Whether all of the response has been sent, and the handler still reads the request.
    pub(super) is_response_sent: bool,
    /// Whether the request's method is HEAD: then the response has no body.
    pub(super) is_head: bool,
    /// The memory that the head of the request and the state of the call take, in bytes.
    pub(super) memory: usize,
    pub(super) receive: Receive,
    pub(super) send: Send,
}

/// The request's side of a stream.
#[derive(Debug)]
pub(super) struct Receive {
    pub(super) window: ReceiveWindow,
    pub(super) body: Arriving,
    /// How many bytes of `content-length` are still to come.
    pub(super) content_left: Option<u64>,
    /// Whether END_STREAM has come.
    pub(super) is_ended: bool,
}

/// The state of a request's body.
#[derive(Debug)]
pub(super) enum Arriving {
    /// The service has not been called yet.
    Buffered { data: BytesMut, trailers: Option<Box<HeaderMap>> },
    /// The handler reads it.
    Handed(Arc<Inbound>),
    /// The handler has all of it, or the body was broken off.
    Gone,
    /// The service has not been called yet, and there was no memory for the body.
    Refused,
}

impl Receive {
    /// Counts bytes of data. Returns `None` if there is more than `content-length` says.
    #[must_use]
    pub(super) fn count_content(&mut self, bytes: usize) -> Option<()> {
        if let Some(left) = &mut self.content_left {
            *left = left.checked_sub(bytes as u64)?;
        }
        Some(())
    }

    /// Returns whether the body can end now, by its `content-length`.
    pub(super) fn is_whole(&self) -> bool {
        self.content_left.is_none_or(|left| left == 0)
    }

    /// Returns whether something reads the rest of the body.
    pub(super) fn is_read(&self) -> bool {
        matches!(&self.body, Arriving::Handed(inbound) if !inbound.is_dropped())
    }

    /// Ends the body with an error. Returns how many bytes no longer occupy the window.
    pub(super) fn break_off(&mut self, error: BodyError) -> usize {
        match std::mem::replace(&mut self.body, Arriving::Gone) {
            Arriving::Buffered { data, .. } => data.len(),
            Arriving::Handed(inbound) => {
                inbound.end(Err(error));
                // The reader gives its bytes back.
                0
            }
            Arriving::Gone | Arriving::Refused => 0,
        }
    }
}

/// The response's side of a stream.
#[derive(Debug)]
pub(super) struct Send {
    pub(super) window: SendWindow,
    /// The first piece of the data that waits for the windows. It is not in the queue, because most
    /// responses have only one piece, and so need no allocation.
    next: Bytes,
    later: VecDeque<Bytes>,
    pub(super) pending_length: usize,
    /// How many bytes of the response were taken.
    pub(super) taken: usize,
    /// Whether the head has been sent.
    pub(super) has_begun: bool,
    pub(super) end: End,
    /// Whether the stream is in the queue of those that have something to send.
    pub(super) is_queued: bool,
    /// Whether the call waits for room.
    pub(super) wants_room: bool,
    /// Whether the stream is in the queue of those that wait until the connection has room.
    pub(super) is_blocked: bool,
    /// How many more bytes the stream may take before other streams that wait for the connection.
    pub(super) quota: usize,
}

/// How a response ends, after the data that waits. Small, because a stream is moved.
#[derive(Debug)]
pub(super) enum End {
    NotYet,
    WithData,
    WithSharedTrailers(&'static HeaderMap),
    WithTrailers(Box<HeaderMap>),
}

impl Send {
    pub(super) fn new(window: SendWindow) -> Self {
        Self {
            window,
            next: Bytes::new(),
            later: VecDeque::new(),
            pending_length: 0,
            taken: 0,
            has_begun: false,
            end: End::NotYet,
            is_queued: false,
            wants_room: false,
            is_blocked: false,
            quota: MAX_PAYLOAD,
        }
    }

    /// Returns how many more bytes can wait: no more than the stream's window allows.
    pub(super) fn room(&self) -> usize {
        self.window.available().min(MAX_PENDING).saturating_sub(self.pending_length)
    }

    /// Returns whether the call waits for room and there is some. It then no longer counts as
    /// waiting.
    pub(super) fn take_wanted_room(&mut self) -> bool {
        let is_due = self.wants_room && matches!(self.end, End::NotYet) && self.room() > 0;
        self.wants_room &= !is_due;
        is_due
    }

    pub(super) fn push(&mut self, data: Bytes) {
        self.pending_length += data.len();
        self.taken += data.len();
        self.quota = self.quota.saturating_sub(data.len());
        if self.next.is_empty() {
            self.next = data;
        } else if !data.is_empty() {
            self.later.push_back(data);
        }
    }

    /// Drops the data that waits.
    pub(super) fn clear(&mut self) {
        self.next = Bytes::new();
        self.later.clear();
        self.pending_length = 0;
    }

    /// Takes at most `most` bytes of the data that waits, from its first piece.
    pub(super) fn pop(&mut self, most: usize) -> Bytes {
        let data = if self.next.len() <= most {
            std::mem::replace(&mut self.next, self.later.pop_front().unwrap_or_default())
        } else {
            self.next.split_to(most)
        };
        self.pending_length -= data.len();
        data
    }
}
