//! Memory for messages: reserved before it is allocated.

use bytes::{Bytes, BytesMut};

use crate::{
    call::Call,
    cause::Cause,
    http2::{MemoryKind, Reservation},
};

/// A message up to this length is not counted: the memory of its call has room for it.
const SMALL: usize = 4 * 1024;

/// The memory that is reserved for one or more messages.
#[derive(Debug, Default)]
pub(crate) struct MessageMemory(Option<Reservation>);

impl MessageMemory {
    /// Reserves memory until there is enough for `bytes`. Reserves nothing for a small message.
    ///
    /// # Errors
    ///
    /// Returns [`Cause::NoMemory`] if the memory budget has no room for them.
    #[inline]
    pub(crate) fn grow_to(
        &mut self,
        bytes: usize,
        kind: MemoryKind,
        call: &Call,
    ) -> Result<(), Cause> {
        if bytes <= SMALL { Ok(()) } else { self.reserve(bytes, kind, call) }
    }

    fn reserve(&mut self, bytes: usize, kind: MemoryKind, call: &Call) -> Result<(), Cause> {
        let grown = match &mut self.0 {
            Some(reserved) => reserved.grow(bytes.saturating_sub(reserved.bytes())),
            None => match call.peer() {
                Some(peer) => peer.share().reserve(kind, bytes).map(|new| self.0 = Some(new)),
                None => Ok(()),
            },
        };
        grown.map_err(|_| Cause::NoMemory)
    }

    /// Makes room for `needed` bytes in the buffer of a message that arrives and will have `whole`
    /// bytes.
    ///
    /// A buffer that is too small is replaced by one of twice its length, but not more than the
    /// whole message needs. So the reserved memory is what is allocated.
    ///
    /// # Errors
    ///
    /// Returns [`Cause::NoMemory`] if the memory budget has no room for it.
    pub(crate) fn make_room(
        &mut self,
        buffer: &mut BytesMut,
        needed: usize,
        whole: usize,
        kind: MemoryKind,
        call: &Call,
    ) -> Result<(), Cause> {
        if buffer.capacity() < needed {
            let capacity = (2 * buffer.len()).min(whole).max(needed);
            self.grow_to(capacity, kind, call)?;
            let mut larger = BytesMut::with_capacity(capacity);
            larger.extend_from_slice(buffer);
            *buffer = larger;
        }
        Ok(())
    }

    /// Does the same as [`Self::grow_to`] without the call, if some memory is reserved already. If
    /// none is reserved, does nothing.
    ///
    /// # Errors
    ///
    /// Returns [`Cause::NoMemory`] if the memory budget has no room for them.
    pub(super) fn grow_reserved(&mut self, bytes: usize) -> Result<(), Cause> {
        match &mut self.0 {
            Some(reserved) => {
                reserved.grow(bytes.saturating_sub(reserved.bytes())).map_err(|_| Cause::NoMemory)
            }
            None => Ok(()),
        }
    }

    /// Returns the memory beyond `bytes` to the budget.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        if let Some(reserved) = &mut self.0 {
            reserved.shrink_to(bytes);
        }
    }

    /// Splits off the memory beyond `bytes`.
    pub(super) fn split_off(&mut self, bytes: usize) -> Self {
        Self(self.0.as_mut().map(|reserved| reserved.split_off(bytes)))
    }

    /// Returns all of the memory to the budget.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    /// Returns the bytes, with the memory attached to them. The memory returns to the budget when
    /// the last clone of the bytes is dropped.
    pub(crate) fn attach_to(&mut self, bytes: Bytes) -> Bytes {
        match self.0.take() {
            Some(reserved) => Bytes::from_owner(Counted { bytes, _reserved: reserved }),
            None => bytes,
        }
    }
}

/// Bytes for which memory is reserved.
struct Counted {
    bytes: Bytes,
    _reserved: Reservation,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
