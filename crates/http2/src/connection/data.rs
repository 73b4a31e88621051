//! DATA frames (RFC 9113, section 6.1).

use bytes::BytesMut;

use super::{
    core::Core,
    limits::MAX_SMALL_BODY,
    stream::{Arriving, Stream},
};
use crate::{
    frame::{Head, flag, put_window_update, strip_padding},
    inbox::BUFFER_FACTOR,
    memory::MemoryKind,
    reason::Reason,
    request::BodyError,
    violation::Violation,
};

impl Core {
    #[inline]
    pub(super) fn data(&mut self, head: Head, payload: &[u8]) -> Result<(), Violation> {
        if head.stream == 0 {
            return Err(Violation::protocol("DATA on stream 0"));
        }
        let content = strip_padding(head, payload)?;
        let is_end = head.has(flag::END_STREAM);
        if self.receive_window.consume(payload.len()).is_none() {
            let what = "DATA beyond the connection's window";
            return Err(Violation::Connection(Reason::FLOW_CONTROL_ERROR, what));
        }
        if content.is_empty() && !is_end {
            self.spend_control_frame();
        }
        // Padding, and content that nothing reads, is given back at once.
        let kept = self.data_of_stream(head.stream, payload.len(), content, is_end);
        let released = payload.len() - kept.unwrap_or(0);
        self.receive_window.release(released);
        kept.map(drop)
    }

    /// Takes the content of DATA. Returns how much of it occupies the window.
    fn data_of_stream(
        &mut self,
        id: u32,
        length: usize,
        content: &[u8],
        is_end: bool,
    ) -> Result<usize, Violation> {
        let Some(key) = self.streams.find(id) else {
            return self.closed_stream(id).map(|()| 0);
        };
        let Some(Stream { receive, .. }) = self.streams.get_mut(key) else { return Ok(0) };
        if receive.is_ended {
            return Err(Violation::Stream(Reason::STREAM_CLOSED));
        }
        if receive.window.consume(length).is_none() {
            return Err(Violation::Stream(Reason::FLOW_CONTROL_ERROR));
        }
        receive.window.release(length - content.len());
        // Padding alone is no reason to grow.
        if let Some(increment) = receive.window.update(0) {
            self.output.put(|out| put_window_update(out, id, increment));
        }
        if receive.count_content(content.len()).is_none() || (is_end && !receive.is_whole()) {
            return Err(Violation::malformed());
        }
        let needs_room = match &receive.body {
            // A small body is counted with the memory of its call.
            Arriving::Buffered { data, .. } => data.len() + content.len() > MAX_SMALL_BODY,
            Arriving::Handed(_) => true,
            Arriving::Gone | Arriving::Refused => false,
        };
        if needs_room && !self.take_room(MemoryKind::Bodies, BUFFER_FACTOR * content.len()) {
            self.refuse_body(key, is_end);
            return Ok(0);
        }
        let Some(Stream { receive, is_response_sent, .. }) = self.streams.get_mut(key) else {
            return Ok(0);
        };
        let discarded = match &mut receive.body {
            Arriving::Buffered { data, .. } => {
                if data.is_empty() {
                    // Without spare capacity, because most bodies have only one frame.
                    *data = BytesMut::from(content);
                } else {
                    data.extend_from_slice(content);
                }
                0
            }
            Arriving::Handed(inbound) => inbound.push(content),
            Arriving::Gone | Arriving::Refused => content.len(),
        };
        if is_end {
            receive.end(None);
            if *is_response_sent {
                self.remove(key);
            }
        }
        Ok(content.len() - discarded)
    }

    /// Drops the body of a request, because there is no memory for it. Its handler gets an error.
    fn refuse_body(&mut self, key: usize, is_end: bool) {
        let Some(Stream { receive, is_response_sent, .. }) = self.streams.get_mut(key) else {
            return;
        };
        let is_called = matches!(receive.body, Arriving::Handed(_));
        let released = receive.break_off(BodyError::NoMemory);
        if !is_called {
            receive.body = Arriving::Refused;
        }
        receive.is_ended = is_end;
        let is_over = is_end && *is_response_sent;
        self.receive_window.release(released);
        if is_over {
            self.remove(key);
        }
    }
}
