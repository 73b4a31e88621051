//! Requests on their way to the service, and the windows that their bodies occupy.

use std::sync::Arc;

use bytes::BytesMut;
use http::Request;

use super::{
    core::Core,
    limits::MAX_SMALL_BODY,
    stream::{Arriving, Stream},
    window::reader_batch,
};
use crate::{
    frame::put_window_update,
    inbox::{BUFFER_FACTOR, StreamRef},
    request::{BodyError, Inbound, RequestBody},
};

impl Core {
    /// Takes bytes of bodies that were read, and that the share no longer counts.
    pub(super) fn take_released(&mut self, bytes: usize) {
        self.receive_window.release(bytes);
        self.held_before.bodies -= (BUFFER_FACTOR * bytes) as isize;
    }

    /// Changes the windows of the streams, because the peer has acknowledged the first SETTINGS
    /// (RFC 9113, section 6.9.2).
    pub(super) fn settings_acknowledged(&mut self) {
        let change = i64::from(self.window) - i64::from(self.known_window);
        if change == 0 {
            return;
        }
        self.known_window = self.window;
        for key in self.streams.keys() {
            if let Some(stream) = self.streams.get_mut(key) {
                stream.receive.window.add(change);
            }
        }
    }

    /// Returns a request with its body, or `None` if its stream is gone. The window of a small body
    /// that has arrived in full is given back now, that of any other body when it is read.
    pub(super) fn request(
        &mut self,
        stream: StreamRef,
        head: Request<()>,
    ) -> Option<Request<RequestBody>> {
        let receive = &mut self.streams.at(stream)?.receive;
        let (data, trailers) = match std::mem::replace(&mut receive.body, Arriving::Gone) {
            Arriving::Buffered { data, trailers } => (data, trailers),
            Arriving::Refused => {
                let inbox = Arc::clone(&self.inbox);
                let inbound = Inbound::new(inbox, stream, usize::MAX, BytesMut::new());
                inbound.end(Err(BodyError::NoMemory));
                return Some(head.map(|()| RequestBody::arriving(Arc::new(inbound))));
            }
            Arriving::Handed(_) | Arriving::Gone => return None,
        };
        let is_small = data.len() <= MAX_SMALL_BODY && trailers.is_none();
        let body = if receive.is_ended && is_small {
            self.receive_window.release(data.len());
            RequestBody::whole(data.freeze())
        } else {
            let inbox = Arc::clone(&self.inbox);
            let inbound = Arc::new(Inbound::new(inbox, stream, reader_batch(self.window), data));
            if receive.is_ended {
                inbound.end(Ok(trailers));
            } else {
                receive.body = Arriving::Handed(Arc::clone(&inbound));
            }
            RequestBody::arriving(inbound)
        };
        Some(head.map(|()| body))
    }

    /// Gives bytes that were read back to the window of their stream.
    pub(super) fn read(&mut self, stream: StreamRef, bytes: usize) {
        let growth = self.window_growth();
        if let Some(Stream { receive, .. }) = self.streams.at(stream)
            && !receive.is_ended
        {
            receive.window.release(bytes);
            if let Some(increment) = receive.window.update(growth) {
                self.output.put(|out| put_window_update(out, stream.id, increment));
            }
        }
    }

    /// Returns the size up to which windows may grow now, or 0 if they must not grow.
    pub(super) fn window_growth(&self) -> u32 {
        if self.share.budget().has_plenty(self.not_counted) { self.max_window } else { 0 }
    }

    /// Sends WINDOW_UPDATE for the connection if enough bytes were read.
    pub(super) fn update_receive_window(&mut self) {
        if self.receive_window.until_update() > 0 {
            return;
        }
        if let Some(increment) = self.receive_window.update(self.window_growth()) {
            self.output.put(|out| put_window_update(out, 0, increment));
        }
    }
}
