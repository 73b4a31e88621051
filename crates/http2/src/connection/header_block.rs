//! Header blocks: requests and trailers (RFC 9113, section 4.3).

use bytes::BytesMut;
use http::{HeaderMap, Method, Response, StatusCode};

use super::{
    closed_streams::ClosedBy,
    core::Core,
    fragments::Fragments,
    life::Failure,
    limits::{CALL_MEMORY, MAX_BLOCK_EXCESS},
    stream::{Arriving, Receive, Send, Stream},
    window::SendWindow,
};
use crate::{
    abuse::Abuse,
    ended::Ended,
    memory::MemoryKind,
    reason::Reason,
    refused::Refused,
    request::{HeadBuilder, Refusal, RequestHead, TrailersBuilder},
    violation::Violation,
};

/// A fragment of a header block below this length, in bytes, is small.
const MIN_FRAGMENT: usize = 16;

/// The cost of a small fragment, in control frames. It is high, because no client needs many.
const SMALL_FRAGMENT_COST: u32 = 10;

impl Core {
    /// Takes the fragment of a HEADERS frame.
    pub(super) fn begin_header_block(
        &mut self,
        stream: u32,
        is_end: bool,
        is_complete: bool,
        fragment: &[u8],
    ) -> Result<(), Violation> {
        if is_complete {
            return self.header_block(stream, is_end, fragment);
        }
        self.header_block = Some(Fragments { stream, is_end, bytes: fragment.to_vec() });
        Ok(())
    }

    /// Takes the fragment of a CONTINUATION frame.
    pub(super) fn continue_header_block(
        &mut self,
        is_complete: bool,
        fragment: &[u8],
    ) -> Result<(), Violation> {
        let Some(mut block) = self.header_block.take() else {
            return Err(Violation::protocol("CONTINUATION without HEADERS"));
        };
        block.bytes.extend_from_slice(fragment);
        if is_complete {
            return self.header_block(block.stream, block.is_end, &block.bytes);
        }
        let most = self.head_limits.size.saturating_add(MAX_BLOCK_EXCESS);
        let is_small = fragment.len() < MIN_FRAGMENT;
        if block.bytes.len() > most
            || (is_small && self.allowances.control_frames.spend(SMALL_FRAGMENT_COST).is_err())
        {
            // Not gracefully, because the peer would have to complete the block before all else.
            let abuse = Abuse::HeaderBlock;
            let (reason, debug) = (Reason::ENHANCE_YOUR_CALM, abuse.name());
            self.fail(Failure { ended: Ended::Abused(abuse), reason, debug });
            return Ok(());
        }
        self.header_block = Some(block);
        Ok(())
    }

    fn header_block(&mut self, id: u32, is_end: bool, block: &[u8]) -> Result<(), Violation> {
        if id > self.last_stream {
            self.request_block(id, is_end, block)
        } else {
            self.trailers_block(id, is_end, block)
        }
    }

    fn request_block(&mut self, id: u32, is_end: bool, block: &[u8]) -> Result<(), Violation> {
        // Every block is decoded, because it changes the table.
        let head = self.head(block)?;
        if self.life.ignores(id) {
            // Only few requests can have been on their way when the peer got GOAWAY.
            let spent = self.allowances.stream_errors.spend(1);
            self.check(spent);
            return Ok(());
        }
        self.last_stream = id;
        // `arrived` also has the requests that were reset in this turn, unlike `streams`.
        let is_full = self.arrived.len() >= 2 * self.max_streams;
        if is_full || self.streams.len() >= self.max_streams {
            return Err(Violation::Stream(Reason::REFUSED_STREAM));
        }
        // The head is matched by reference, because moving it copies many bytes.
        let content_left = match &head {
            Ok(head) => head.content_length,
            Err(Refusal::TooLarge) => None,
            Err(Refusal::Malformed) => return Err(Violation::malformed()),
        };
        let receive = Receive {
            window: self.stream_window(),
            body: Arriving::Buffered { data: BytesMut::new(), trailers: None },
            content_left,
            is_ended: is_end,
        };
        if is_end && !receive.is_whole() {
            return Err(Violation::malformed());
        }
        let send = Send::new(SendWindow::new(self.peer.initial_window));
        let is_head = head.as_ref().is_ok_and(|head| head.request.method() == Method::HEAD);
        let (refusal, memory) = match &head {
            Ok(head) => {
                let memory = CALL_MEMORY + head.memory;
                let has_room = self.take_room(MemoryKind::Heads, memory);
                let refusal = if has_room { None } else { (self.refuse)(&head.request) };
                let memory = if refusal.is_none() { memory } else { 0 };
                (refusal.map(Box::new), memory)
            }
            Err(_) => {
                self.report(Refused::HeaderList);
                (Some(Box::new(too_large())), 0)
            }
        };
        let stream =
            self.insert(Stream { id, is_response_sent: false, is_head, memory, receive, send });
        if let Some(refusal) = refusal {
            self.respond(stream.key, &refusal, true);
        } else if let Ok(head) = head {
            self.arrived.push((stream, head.request));
        }
        Ok(())
    }

    /// Decodes the block of a request's head.
    fn head(&mut self, block: &[u8]) -> Result<Result<RequestHead, Refusal>, Violation> {
        let version = self.decoder.version();
        if let Some(head) = self.repeated_head.get(block, version) {
            return Ok(Ok(head));
        }
        let mut head = HeadBuilder::new(self.head_limits);
        self.decoder.decode(block, |entry| head.add(entry))?;
        let head = head.finish();
        if let Ok(head) = &head
            && self.decoder.version() == version
        {
            self.repeated_head.remember(block, version, head);
        }
        Ok(head)
    }

    fn trailers_block(&mut self, id: u32, is_end: bool, block: &[u8]) -> Result<(), Violation> {
        let mut trailers = TrailersBuilder::new(self.head_limits);
        self.decoder.decode(block, |entry| trailers.add(entry))?;
        let Some(key) = self.streams.find(id) else { return self.closed_stream(id) };
        let Some(stream) = self.streams.get_mut(key) else { return Ok(()) };
        if stream.receive.is_ended {
            return Err(Violation::Stream(Reason::STREAM_CLOSED));
        }
        if !is_end || !stream.receive.is_whole() {
            return Err(Violation::malformed());
        }
        match trailers.finish() {
            Ok(trailers) => {
                stream.receive.end(Some(trailers));
                if stream.is_response_sent {
                    self.remove(key);
                }
            }
            Err(Refusal::Malformed) => return Err(Violation::malformed()),
            // There is no response with status 431, because the handler may have responded already.
            Err(Refusal::TooLarge) => return Err(Violation::Stream(Reason::ENHANCE_YOUR_CALM)),
        }
        Ok(())
    }

    /// Returns an error unless a frame on this closed stream is ignored (RFC 9113, section 5.1).
    pub(super) fn closed_stream(&mut self, id: u32) -> Result<(), Violation> {
        self.spend_control_frame();
        self.check_not_idle(id)?;
        if self.life.ignores(id) {
            return Ok(());
        }
        match self.closed.find(id) {
            ClosedBy::Reset | ClosedBy::Forgotten => Ok(()),
            ClosedBy::PeerReset => Err(Violation::Stream(Reason::STREAM_CLOSED)),
            ClosedBy::End => {
                let what = "a frame on a stream that has ended";
                Err(Violation::Connection(Reason::STREAM_CLOSED, what))
            }
        }
    }
}

/// Returns the response to a request whose head is larger than the limits.
fn too_large() -> Response<()> {
    let mut refusal = Response::new(());
    *refusal.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    refusal
}

impl Receive {
    /// Ends the body.
    pub(super) fn end(&mut self, trailers: Option<HeaderMap>) {
        self.is_ended = true;
        let boxed = trailers.map(Box::new);
        match &mut self.body {
            Arriving::Buffered { trailers, .. } => *trailers = boxed,
            Arriving::Handed(inbound) => inbound.end(Ok(boxed)),
            Arriving::Gone | Arriving::Refused => {}
        }
    }
}
