//! Flow-control windows (RFC 9113, section 5.2).

use crate::frame::MAX_WINDOW;

/// The window for what this side sends. It can be negative after a change of the peer's
/// SETTINGS_INITIAL_WINDOW_SIZE (section 6.9.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct SendWindow(i64);

impl SendWindow {
    pub(super) fn new(size: u32) -> Self {
        Self(size.into())
    }

    /// Returns how many bytes may be sent.
    pub(super) fn available(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.0 -= bytes as i64;
    }

    /// Changes the window. Returns `None` if it is then over 2^31-1.
    #[must_use]
    pub(super) fn add(&mut self, change: i64) -> Option<()> {
        self.0 += change;
        (self.0 <= MAX_WINDOW.into()).then_some(())
    }
}

/// The window for what the peer sends. Bytes that were read are given back in batches of half a
/// window, so that few WINDOW_UPDATE frames are needed.
#[derive(Debug)]
pub(super) struct ReceiveWindow {
    size: u32,
    /// Negative after the peer has acknowledged a smaller SETTINGS_INITIAL_WINDOW_SIZE.
    available: i64,
    /// Bytes that are to be given back.
    released: usize,
    batch: usize,
}

impl ReceiveWindow {
    /// Returns a window of `size` bytes, of which the peer may use only `available` until it has
    /// acknowledged SETTINGS.
    pub(super) fn new(available: u32, size: u32) -> Self {
        Self { size, available: available.into(), released: 0, batch: batch(size) }
    }

    /// Takes bytes that have arrived. Returns `None` if the peer was not allowed to send them.
    #[must_use]
    pub(super) fn consume(&mut self, bytes: usize) -> Option<()> {
        let left = self.available - bytes as i64;
        (left >= 0 || bytes == 0).then(|| self.available = left)
    }

    /// Records that bytes no longer occupy the window.
    pub(super) fn release(&mut self, bytes: usize) {
        self.released += bytes;
    }

    /// Returns how many bytes have arrived and were not released.
    pub(super) fn occupied(&self) -> usize {
        let used = i64::from(self.size) - self.available;
        usize::try_from(used).unwrap_or(0).saturating_sub(self.released)
    }

    /// Returns how many more bytes must be released before the window grows.
    pub(super) fn until_update(&self) -> usize {
        self.batch.saturating_sub(self.released)
    }

    /// Opens the window again by the released bytes, if they are a batch. Also grows it, because it
    /// was used up: to twice its size, but not over `most`. Returns the increment to send.
    pub(super) fn update(&mut self, most: u32) -> Option<u32> {
        if self.released < self.batch {
            return None;
        }
        let growth = most.saturating_sub(self.size).min(self.size);
        self.size += growth;
        self.batch = batch(self.size);
        let increment = std::mem::take(&mut self.released) + growth as usize;
        self.available += increment as i64;
        u32::try_from(increment).ok()
    }

    /// Changes the window, because the peer has acknowledged another initial size.
    pub(super) fn add(&mut self, change: i64) {
        self.available += change;
    }
}

/// Returns how many bytes are given back at a time.
fn batch(size: u32) -> usize {
    (size as usize / 2).max(1)
}

/// Returns how many bytes the reader of a body gives back at a time: a quarter of the window, so
/// that bytes that were read but not given back never use it up.
pub(super) fn reader_batch(window: u32) -> usize {
    (window as usize / 4).max(1)
}
