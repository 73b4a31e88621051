//! How streams and connections end.

use super::{
    closed_streams::ClosedBy,
    core::{Core, SHUTDOWN_PING},
    life::{Failure, Life},
};
use crate::{
    abuse::Abuse,
    ended::Ended,
    frame::{MAX_STREAM, put_goaway, put_ping, put_reset},
    inbox::StreamRef,
    memory::HeldNow,
    reason::Reason,
    refused::Refused,
    request::BodyError,
    violation::Violation,
};

impl Core {
    /// Removes a stream before its end, and cancels its call.
    pub(super) fn cancel(&mut self, key: usize, error: BodyError) {
        if let Some(stream) = self.streams.get_mut(key) {
            self.receive_window.release(stream.receive.break_off(error));
            self.remove(key);
            self.cancelled.push(key);
        }
    }

    /// Resets a stream, which may be closed already.
    pub(super) fn reset(&mut self, id: u32, reason: Reason) {
        if let Some(key) = self.streams.find(id) {
            self.cancel(key, BodyError::Reset(reason));
        }
        self.closed.add(id, ClosedBy::Reset);
        self.output.put(|out| put_reset(out, id, reason));
    }

    /// Ends a stream whose response has been sent. If the handler still reads the request, the
    /// stream ends when the request ends, or when the handler stops reading.
    pub(super) fn finish(&mut self, key: usize) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if !stream.is_response_sent {
            self.allowances.add_response();
        }
        if !stream.receive.is_ended && stream.receive.is_read() {
            stream.is_response_sent = true;
            return;
        }
        if !stream.receive.is_ended {
            // The rest of the request is not needed (RFC 9113, section 8.1).
            let error = BodyError::Reset(Reason::NO_ERROR);
            let id = stream.id;
            self.receive_window.release(stream.receive.break_off(error));
            self.closed.add(id, ClosedBy::Reset);
            self.output.put(|out| put_reset(out, id, Reason::NO_ERROR));
        }
        self.remove(key);
    }

    /// Ends a stream whose request nothing reads, if its response has been sent.
    pub(super) fn unread(&mut self, stream: StreamRef) {
        if self.streams.at(stream).is_some_and(|stream| stream.is_response_sent) {
            self.finish(stream.key);
        }
    }

    /// Announces the graceful shutdown to the peer.
    pub(super) fn shut_down(&mut self) {
        if matches!(self.life, Life::Open) {
            self.output.put(|out| {
                put_goaway(out, MAX_STREAM, Reason::NO_ERROR, "");
                put_ping(out, SHUTDOWN_PING, false);
            });
            self.life = Life::Announced;
        }
    }

    /// Takes no more streams, and tells the peer which stream was the last.
    pub(super) fn leave(&mut self, reason: Reason, debug: &'static str) {
        let last = self.last_stream;
        self.output.put(|out| put_goaway(out, last, reason, debug));
        self.life = Life::Leaving { last };
    }

    /// Ends the connection, because the peer has broken a rule or this side cannot go on.
    pub(super) fn fail(&mut self, failure: Failure) {
        let last = self.last_stream;
        let Failure { ended, reason, debug } = failure;
        self.output.put(|out| put_goaway(out, last, reason, debug));
        self.ended.get_or_insert(ended);
        self.close();
    }

    /// Ends all streams. The connection is closed when its output has been written.
    pub(super) fn close(&mut self) {
        for key in self.streams.keys() {
            self.cancel(key, BodyError::ConnectionEnded);
        }
        self.arrived.clear();
        self.queue.clear();
        self.life = Life::Closing;
    }

    /// Ends the stream or the connection, because of a violation.
    pub(super) fn punish(&mut self, stream: u32, violation: Violation) {
        match violation {
            Violation::Connection(reason, debug) => {
                self.fail(Failure { ended: Ended::Violated(reason, debug), reason, debug });
            }
            Violation::Stream(reason) => {
                match reason {
                    Reason::REFUSED_STREAM => self.report(Refused::Streams),
                    // A frame after the end of a stream does not refuse its request.
                    Reason::STREAM_CLOSED => {}
                    _ => self.report(Refused::Protocol),
                }
                self.reset(stream, reason);
                let spent = self.allowances.stream_errors.spend(1);
                self.check(spent);
            }
        }
    }

    /// Ends the connection if its peer has done too much of something: gracefully the first time,
    /// at once the second.
    pub(super) fn check(&mut self, spent: Result<(), Abuse>) {
        let Err(abuse) = spent else { return };
        let reason = Reason::ENHANCE_YOUR_CALM;
        if self.ended.is_none() {
            if matches!(self.life, Life::Open | Life::Announced) {
                self.leave(reason, abuse.name());
            }
            self.ended = Some(Ended::Abused(abuse));
            self.allowances.reset();
        } else {
            self.fail(Failure { ended: Ended::Abused(abuse), reason, debug: abuse.name() });
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // Ends the bodies that other tasks still read.
        self.close();
        // There is no error, because the connection does not hold more than before.
        let _ = self.share.replace(self.held_before, HeldNow::default(), self.ahead);
    }
}
