//! Sending responses.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use super::{
    core::Core,
    limits::{MAX_DATA_OUTPUT, MIN_PART},
    stream::{End, Stream},
};
use crate::{
    frame::{MAX_PAYLOAD, flag, head_bytes, kind, put_head},
    hpack::CONNECTION_FIELDS,
    inbox::StreamRef,
    reason::Reason,
};

/// The result of a stream's turn to send.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// It has more to send.
    More,
    /// It has sent all that it had.
    Done,
    /// The connection's window is used up.
    NoWindow,
}

impl Core {
    /// Sends the head of a response. Returns whether a body can follow.
    pub(super) fn respond(&mut self, key: usize, head: &Response<()>, is_end: bool) -> bool {
        let Some(stream) = self.streams.get_mut(key) else { return false };
        let id = stream.id;
        let status = head.status();
        let is_end = is_end
            || stream.is_head
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if status.is_informational() || !are_valid(head.headers()) {
            self.reset(id, Reason::INTERNAL_ERROR);
            return false;
        }
        stream.send.has_begun = true;
        let (most, encoder) = (self.peer.max_payload, &mut self.encoder);
        self.output.put(|out| {
            put_block(out, id, is_end, most, |out| encoder.head(out, status, head.headers()));
        });
        if is_end {
            self.finish(key);
        }
        !is_end
    }

    /// Returns how many bytes of a response are accepted now.
    pub(super) fn room(&mut self, key: usize) -> usize {
        let of_connection = self.connection_room();
        let Some(Stream { id, send, .. }) = self.streams.get_mut(key) else { return 0 };
        let of_stream = send.room();
        let room = of_stream.min(of_connection).min(send.quota);
        if room == 0 {
            send.wants_room = true;
            if of_stream > 0 && !std::mem::replace(&mut send.is_blocked, true) {
                self.blocked.push_back(StreamRef { key, id: *id });
            }
        }
        room
    }

    /// Returns how many more bytes can wait to be sent, of all streams together: as many as the
    /// connection's window allows, or none while too much output waits for the transport.
    fn connection_room(&self) -> usize {
        if self.output.len() >= MAX_DATA_OUTPUT {
            return 0;
        }
        self.send_window.available().saturating_sub(self.pending_bytes)
    }

    /// Returns whether calls that have waited for the connection can go on.
    pub(super) fn can_resume(&self) -> bool {
        !self.blocked.is_empty() && self.connection_room() > 0
    }

    /// Lets calls go on that have waited for the connection, if it has room.
    pub(super) fn resume_blocked(&mut self) {
        if !self.can_resume() {
            return;
        }
        let mut left = self.connection_room();
        // A fair part for each, and no less than a frame.
        let quota = (left / self.blocked.len()).max(MAX_PAYLOAD);
        while left > 0
            && let Some(stream) = self.blocked.pop_front()
        {
            let Some(Stream { send, .. }) = self.streams.at(stream) else { continue };
            left = left.saturating_sub(quota.min(send.room()));
            send.is_blocked = false;
            send.quota = quota;
            if send.take_wanted_room() {
                self.resumed.push(stream.key);
            }
        }
    }

    /// Returns how many bytes of a response are accepted for now, counted from its start.
    ///
    /// The task of a call uses this room without asking again, so it gets only its part of the
    /// connection's room.
    pub(super) fn limit(&mut self, key: usize) -> usize {
        let room = self.room(key);
        let part = (self.connection_room() / self.streams.len().max(1)).max(MIN_PART);
        self.streams.get(key).map_or(0, |stream| stream.send.taken + room.min(part))
    }

    /// Takes data of a response.
    pub(super) fn push_data(&mut self, key: usize, data: Bytes) {
        if let Some(stream) = self.streams.get_mut(key) {
            self.pending_bytes += data.len();
            stream.send.push(data);
            self.enqueue(key);
        }
    }

    /// Resumes the call when there is room again. This is for a task, which uses up its room
    /// without asking.
    pub(super) fn want_room(&mut self, key: usize) {
        if let Some(Stream { send, .. }) = self.streams.get_mut(key) {
            send.wants_room = true;
        }
    }

    /// Ends a response.
    pub(super) fn end_response(&mut self, key: usize, trailers: Option<Cow<'static, HeaderMap>>) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.send.end = match trailers {
                None => End::WithData,
                Some(Cow::Borrowed(trailers)) => End::WithSharedTrailers(trailers),
                Some(Cow::Owned(trailers)) => End::WithTrailers(Box::new(trailers)),
            };
            if stream.send.pending_length > 0 {
                self.enqueue(key);
            } else {
                // At once, because the queue may wait for the connection's window, which only data
                // needs (RFC 9113, section 5.2.1).
                self.turn(key);
            }
        }
    }

    /// Ends a response instead of sending the data that waits.
    pub(super) fn end_response_early(&mut self, key: usize, trailers: HeaderMap) {
        if let Some(Stream { send, .. }) = self.streams.get_mut(key) {
            self.pending_bytes -= send.pending_length;
            send.clear();
            self.end_response(key, Some(Cow::Owned(trailers)));
        }
    }

    /// Resets a stream whose response cannot be completed.
    pub(super) fn fail_response(&mut self, key: usize) {
        if let Some(stream) = self.streams.get(key) {
            self.reset(stream.id, Reason::INTERNAL_ERROR);
        }
    }

    /// Changes the send window of a stream. Returns `None` if it would be too large.
    #[must_use]
    pub(super) fn grow_send_window(&mut self, key: usize, growth: i64) -> Option<()> {
        let Stream { send, .. } = self.streams.get_mut(key)?;
        send.window.add(growth)?;
        if send.take_wanted_room() {
            self.resumed.push(key);
        }
        if send.pending_length > 0 {
            self.enqueue(key);
        }
        Some(())
    }

    fn enqueue(&mut self, key: usize) {
        if let Some(Stream { id, send, .. }) = self.streams.get_mut(key)
            && !send.is_queued
        {
            send.is_queued = true;
            let stream = StreamRef { key, id: *id };
            // Removes entries of ended streams, because the first entry may block the queue for
            // long.
            if self.queue.len() > 2 * self.streams.len() + 16 {
                self.queue.retain(|at| self.streams.contains(*at));
            }
            self.queue.push_back(stream);
        }
    }

    /// Sends the data of the streams, round robin by frames, as far as the windows and the
    /// transport allow.
    pub(super) fn pump(&mut self) {
        while self.output.len() < MAX_DATA_OUTPUT
            && let Some(stream) = self.queue.pop_front()
        {
            if !self.streams.contains(stream) {
                continue;
            }
            match self.turn(stream.key) {
                Turn::More => self.queue.push_back(stream),
                Turn::Done => {}
                Turn::NoWindow => {
                    self.queue.push_front(stream);
                    break;
                }
            }
        }
    }

    /// Sends the next frame of a stream, and its end if that is all.
    fn turn(&mut self, key: usize) -> Turn {
        let Some(Stream { id, send, .. }) = self.streams.get_mut(key) else { return Turn::Done };
        let id = *id;
        if send.pending_length > 0 {
            let window = send.window.available();
            if window == 0 {
                // WINDOW_UPDATE puts it back into the queue.
                send.is_queued = false;
                return Turn::Done;
            }
            let most = window.min(self.send_window.available()).min(self.peer.max_payload);
            if most == 0 {
                return Turn::NoWindow;
            }
            // A longer frame would hold up the other streams.
            let data = send.pop(most.min(MAX_PAYLOAD));
            send.window.consume(data.len());
            self.send_window.consume(data.len());
            self.pending_bytes -= data.len();
            self.allowances.add_sent(data.len());
            let is_last = send.pending_length == 0 && matches!(send.end, End::WithData);
            if send.take_wanted_room() {
                self.resumed.push(key);
            }
            let flags = if is_last { flag::END_STREAM } else { 0 };
            self.output.put(|out| put_head(out, data.len(), kind::DATA, flags, id));
            self.output.put_data(data);
            if is_last {
                self.finish(key);
                return Turn::Done;
            }
            if send.pending_length > 0 {
                return Turn::More;
            }
        }
        send.is_queued = false;
        match std::mem::replace(&mut send.end, End::NotYet) {
            End::NotYet => return Turn::Done,
            End::WithData => {
                self.output.put(|out| put_head(out, 0, kind::DATA, flag::END_STREAM, id));
            }
            End::WithSharedTrailers(trailers) => self.put_trailers(id, trailers),
            End::WithTrailers(trailers) if are_valid(&trailers) => self.put_trailers(id, &trailers),
            End::WithTrailers(_) => {
                self.reset(id, Reason::INTERNAL_ERROR);
                return Turn::Done;
            }
        }
        self.finish(key);
        Turn::Done
    }

    fn put_trailers(&mut self, id: u32, trailers: &HeaderMap) {
        debug_assert!(are_valid(trailers), "connection fields in trailers");
        let (most, encoder) = (self.peer.max_payload, &mut self.encoder);
        self.output.put(|out| {
            put_block(out, id, true, most, |out| encoder.trailers(out, trailers));
        });
    }
}

/// Returns whether a response can have these fields (RFC 9113, section 8.2.2).
fn are_valid(headers: &HeaderMap) -> bool {
    headers.keys().all(|name| !CONNECTION_FIELDS.contains(&name.as_str()))
}

/// Adds a header block: HEADERS, and CONTINUATION if it is longer than `most`.
fn put_block(
    out: &mut Vec<u8>,
    stream: u32,
    is_end: bool,
    most: usize,
    encode: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    // A placeholder, because the length is not known yet.
    put_head(out, 0, kind::HEADERS, 0, stream);
    let block = out.len();
    encode(out);
    let length = out.len() - block;
    let end_stream = if is_end { flag::END_STREAM } else { 0 };
    if length <= most {
        let head = head_bytes(length, kind::HEADERS, end_stream | flag::END_HEADERS, stream);
        out[start..block].copy_from_slice(&head);
        return;
    }
    let bytes = out.split_off(block);
    out.truncate(start);
    let count = bytes.len().div_ceil(most);
    for (index, fragment) in bytes.chunks(most).enumerate() {
        let (kind, flags) =
            if index == 0 { (kind::HEADERS, end_stream) } else { (kind::CONTINUATION, 0) };
        let end_headers = if index + 1 == count { flag::END_HEADERS } else { 0 };
        put_head(out, fragment.len(), kind, flags | end_headers, stream);
        out.extend_from_slice(fragment);
    }
}
