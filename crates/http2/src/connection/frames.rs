//! Taking frames (RFC 9113, section 6).

use super::{
    closed_streams::ClosedBy,
    core::{Core, SHUTDOWN_PING},
    keepalive::KEEPALIVE_PING,
    life::Life,
};
use crate::{
    frame::{
        HEAD_LENGTH, Head, MAX_PAYLOAD, flag, kind, number, put_ping, put_settings_ack,
        strip_padding, strip_priority,
    },
    reason::Reason,
    request::BodyError,
    violation::Violation,
};

/// What was taken of the bytes that have arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// How many bytes were taken.
    pub(super) bytes: usize,
    /// How many bytes the next frame needs.
    pub(super) needed: usize,
}

impl Core {
    /// Takes all frames that have arrived in full.
    pub(super) fn take_frames(&mut self, bytes: &[u8]) -> Taken {
        let mut taken = 0;
        while !matches!(self.life, Life::Closing) {
            let rest = &bytes[taken..];
            let Some(head) = Head::parse(rest) else {
                return Taken { bytes: taken, needed: HEAD_LENGTH };
            };
            if head.length > MAX_PAYLOAD {
                self.punish(0, Violation::frame_size("a frame longer than 16,384 bytes"));
                break;
            }
            let length = HEAD_LENGTH + head.length;
            let Some(payload) = rest.get(HEAD_LENGTH..length) else {
                return Taken { bytes: taken, needed: length };
            };
            taken += length;
            if let Err(violation) = self.take_frame(head, payload) {
                self.punish(head.stream, violation);
            }
        }
        Taken { bytes: bytes.len(), needed: HEAD_LENGTH }
    }

    fn take_frame(&mut self, head: Head, payload: &[u8]) -> Result<(), Violation> {
        let in_block = self.header_block.as_ref().map(|block| block.stream);
        if in_block.is_some_and(|stream| head.kind != kind::CONTINUATION || head.stream != stream) {
            return Err(Violation::protocol("a frame in the middle of a header block"));
        }
        if !self.has_settings && (head.kind != kind::SETTINGS || head.has(flag::ACK)) {
            return Err(Violation::protocol("the first frame is not SETTINGS"));
        }
        match head.kind {
            kind::DATA => self.data(head, payload),
            kind::HEADERS => self.headers(head, payload),
            kind::CONTINUATION => self.continue_header_block(head.has(flag::END_HEADERS), payload),
            kind::RST_STREAM => self.peer_reset(head, payload),
            kind::WINDOW_UPDATE => self.window_update(head, payload),
            kind::SETTINGS => self.settings(head, payload),
            kind::PING => self.ping(head, payload),
            kind::GOAWAY => self.goaway(head, payload),
            kind::PRIORITY => self.priority(head, payload),
            kind::PUSH_PROMISE => Err(Violation::protocol("PUSH_PROMISE from a client")),
            _unknown => {
                self.spend_control_frame();
                Ok(())
            }
        }
    }

    pub(super) fn spend_control_frame(&mut self) {
        let spent = self.allowances.control_frames.spend(1);
        self.check(spent);
    }

    fn headers(&mut self, head: Head, payload: &[u8]) -> Result<(), Violation> {
        if head.stream.is_multiple_of(2) {
            return Err(Violation::protocol("HEADERS on a stream with an even identifier"));
        }
        let block = strip_priority(head, strip_padding(head, payload)?)?;
        let is_complete = head.has(flag::END_HEADERS);
        self.begin_header_block(head.stream, head.has(flag::END_STREAM), is_complete, block)
    }

    fn peer_reset(&mut self, head: Head, payload: &[u8]) -> Result<(), Violation> {
        let Ok(code) = payload.try_into() else {
            return Err(Violation::frame_size("RST_STREAM whose length is not 4"));
        };
        self.check_not_idle(head.stream)?;
        let Some(key) = self.streams.find(head.stream) else {
            self.spend_control_frame();
            return Ok(());
        };
        let reason = Reason::new(u32::from_be_bytes(code));
        let has_begun = self.streams.get(key).is_some_and(|stream| stream.send.has_begun);
        self.cancel(key, BodyError::Reset(reason));
        self.closed.add(head.stream, ClosedBy::PeerReset);
        if has_begun {
            // A caller may cancel a server stream after enough messages: that is no abuse.
            self.spend_control_frame();
        } else {
            let spent = self.allowances.resets.spend(1);
            self.check(spent);
        }
        Ok(())
    }

    /// Checks that a stream is not idle (RFC 9113, section 5.1).
    pub(super) fn check_not_idle(&self, stream: u32) -> Result<(), Violation> {
        let is_opened = stream <= self.last_stream && !stream.is_multiple_of(2);
        if is_opened || (stream != 0 && self.life.ignores(stream)) {
            return Ok(());
        }
        Err(Violation::protocol("a frame on an idle stream or on stream 0"))
    }

    fn window_update(&mut self, head: Head, payload: &[u8]) -> Result<(), Violation> {
        let Ok(increment) = payload.try_into().map(number) else {
            return Err(Violation::frame_size("WINDOW_UPDATE whose length is not 4"));
        };
        self.spend_control_frame();
        if head.stream == 0 {
            if increment == 0 {
                return Err(Violation::protocol("WINDOW_UPDATE of 0"));
            }
            let what = "a window over 2^31-1";
            let too_large = Violation::Connection(Reason::FLOW_CONTROL_ERROR, what);
            return self.send_window.add(increment.into()).ok_or(too_large);
        }
        self.check_not_idle(head.stream)?;
        let Some(key) = self.streams.find(head.stream) else { return Ok(()) };
        if increment == 0 {
            return Err(Violation::Stream(Reason::PROTOCOL_ERROR));
        }
        let too_large = Violation::Stream(Reason::FLOW_CONTROL_ERROR);
        self.grow_send_window(key, increment.into()).ok_or(too_large)
    }

    fn settings(&mut self, head: Head, payload: &[u8]) -> Result<(), Violation> {
        if head.stream != 0 {
            return Err(Violation::protocol("SETTINGS on a stream"));
        }
        if head.has(flag::ACK) {
            if !payload.is_empty() {
                return Err(Violation::frame_size("an acknowledgement of SETTINGS with a payload"));
            }
            self.spend_control_frame();
            self.settings_acknowledged();
            return Ok(());
        }
        self.has_settings = true;
        let before = self.peer.initial_window;
        let change = self.peer.update(payload)?;
        for size in change.table_sizes {
            self.encoder.set_limit(size as usize);
        }
        let growth = i64::from(self.peer.initial_window) - i64::from(before);
        if growth != 0 {
            for key in self.streams.keys() {
                let what = "SETTINGS_INITIAL_WINDOW_SIZE makes a window over 2^31-1";
                let too_large = Violation::Connection(Reason::FLOW_CONTROL_ERROR, what);
                self.grow_send_window(key, growth).ok_or(too_large)?;
            }
        }
        self.output.put(put_settings_ack);
        self.spend_control_frame();
        Ok(())
    }

    fn ping(&mut self, head: Head, payload: &[u8]) -> Result<(), Violation> {
        if head.stream != 0 {
            return Err(Violation::protocol("PING on a stream"));
        }
        let Ok(payload) = payload.try_into() else {
            return Err(Violation::frame_size("PING whose length is not 8"));
        };
        if !head.has(flag::ACK) {
            self.output.put(|out| put_ping(out, payload, true));
            self.spend_control_frame();
            return Ok(());
        }
        match payload {
            SHUTDOWN_PING if matches!(self.life, Life::Announced) => {
                self.leave(Reason::NO_ERROR, "");
            }
            KEEPALIVE_PING if self.awaits_pong => self.awaits_pong = false,
            _ => self.spend_control_frame(),
        }
        Ok(())
    }

    fn goaway(&mut self, head: Head, payload: &[u8]) -> Result<(), Violation> {
        if head.stream != 0 {
            return Err(Violation::protocol("GOAWAY on a stream"));
        }
        if payload.len() < 8 {
            return Err(Violation::frame_size("GOAWAY shorter than 8"));
        }
        self.is_peer_leaving = true;
        self.spend_control_frame();
        Ok(())
    }

    fn priority(&mut self, head: Head, payload: &[u8]) -> Result<(), Violation> {
        if head.stream == 0 {
            return Err(Violation::protocol("PRIORITY on stream 0"));
        }
        self.spend_control_frame();
        if payload.len() != 5 {
            // A stream that is idle cannot be reset.
            return Err(if self.streams.find(head.stream).is_some() {
                Violation::Stream(Reason::FRAME_SIZE_ERROR)
            } else {
                Violation::frame_size("PRIORITY whose length is not 5")
            });
        }
        Ok(())
    }
}
