//! What the budget knows of a connection.

use std::{
    future::poll_fn,
    sync::atomic::{
        AtomicBool, AtomicIsize,
        Ordering::{Acquire, Relaxed, Release},
    },
    task::Poll,
};

use futures_util::task::AtomicWaker;

/// What a connection holds, and whether it has to close because of that.
#[derive(Debug, Default)]
pub(super) struct ShareState {
    held: AtomicIsize,
    is_ending: AtomicBool,
    ending: AtomicWaker,
}

impl ShareState {
    /// Returns the bytes that the connection and its calls hold.
    pub(super) fn held(&self) -> usize {
        self.held.load(Relaxed).try_into().unwrap_or(0)
    }

    pub(super) fn add(&self, bytes: isize) {
        self.held.fetch_add(bytes, Relaxed);
    }

    /// Asks the connection to close.
    pub(super) fn end(&self) {
        self.is_ending.store(true, Release);
        self.ending.wake();
    }

    /// Resolves when the connection has to close.
    pub(super) async fn ending(&self) {
        poll_fn(|cx| {
            self.ending.register(cx.waker());
            if self.is_ending() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Acquire)
    }
}
