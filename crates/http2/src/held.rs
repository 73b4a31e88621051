//! What connections hold for their peers.

use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

/// Bytes that connections hold for their peers, so that a budget can ask. Shared by the
/// connections that are to be counted together.
///
/// Counted are the bytes of heads, bodies and responses, not the memory of the structures around
/// them, and not what a handler holds. A body of a few kilobytes that arrived with its head counts
/// as the handler's.
#[derive(Debug, Default)]
pub struct Held {
    heads: AtomicIsize,
    bodies: AtomicIsize,
    responses: AtomicIsize,
}

impl Held {
    /// Returns the bytes of requests' heads: of those whose calls are not over, and of those that
    /// are arriving.
    pub fn heads(&self) -> usize {
        count(&self.heads)
    }

    /// Returns the bytes of requests' bodies that have arrived and were not read.
    pub fn bodies(&self) -> usize {
        count(&self.bodies)
    }

    /// Returns the bytes of responses that were not written yet.
    pub fn responses(&self) -> usize {
        count(&self.responses)
    }

    /// Replaces what one connection holds.
    pub(crate) fn replace(&self, before: HeldNow, now: HeldNow) {
        for (total, before, now) in [
            (&self.heads, before.heads, now.heads),
            (&self.bodies, before.bodies, now.bodies),
            (&self.responses, before.responses, now.responses),
        ] {
            if now != before {
                total.fetch_add(now - before, Relaxed);
            }
        }
    }

    /// Records that bytes of bodies were read. Their connection may not know yet.
    pub(crate) fn body_read(&self, bytes: usize) {
        self.bodies.fetch_sub(bytes as isize, Relaxed);
    }
}

/// Returns a total. It can be negative for a moment, if bytes are read before the connection has
/// counted them.
fn count(total: &AtomicIsize) -> usize {
    total.load(Relaxed).try_into().unwrap_or(0)
}

/// What one connection holds at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HeldNow {
    pub(crate) heads: isize,
    pub(crate) bodies: isize,
    pub(crate) responses: isize,
}
