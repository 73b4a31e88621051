//! Calls that the connection polls itself: the fastest way on one thread, because a call
//! that computes holds up all others there anyway.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::AcqRel},
    },
    task::{Context, Poll, Wake, Waker},
};

use http::Response;

use super::driver::Driver;
use crate::{
    inbox::{Event, Inbox},
    response::{ResponseBody, ResponseSink},
};

/// How many slots a connection without calls keeps.
const KEPT: usize = 1;

/// The calls of a connection, by the keys of their streams.
pub(crate) struct InPlace<F, B> {
    inbox: Arc<Inbox>,
    slots: Vec<Slot<F, B>>,
}

/// A slot for a call. Its allocations are used again by the next call.
struct Slot<F, B> {
    driver: Pin<Box<Driver<F, B>>>,
    is_woken: Arc<CallWaker>,
    waker: Waker,
}

/// Wakes the connection to poll one call.
struct CallWaker {
    key: usize,
    /// Whether the inbox already has an event for this call.
    is_woken: AtomicBool,
    inbox: Arc<Inbox>,
}

impl Wake for CallWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_woken.swap(true, AcqRel) {
            self.inbox.push(Event::Woken(self.key));
        }
    }
}

impl<F, B> InPlace<F, B>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: ResponseBody,
{
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox, slots: Vec::new() }
    }

    /// Begins a call. It has to be polled.
    pub(crate) fn start(&mut self, key: usize, call: F) {
        while self.slots.len() <= key {
            let key = self.slots.len();
            let inbox = Arc::clone(&self.inbox);
            let is_woken = Arc::new(CallWaker { key, is_woken: AtomicBool::new(false), inbox });
            let waker = Waker::from(Arc::clone(&is_woken));
            self.slots.push(Slot { driver: Box::pin(Driver::Idle), is_woken, waker });
        }
        self.slots[key].driver.set(Driver::Called { call });
    }

    /// Polls a call.
    pub(crate) fn poll(&mut self, key: usize, sink: &mut impl ResponseSink) {
        let Some(Slot { driver, is_woken, waker }) = self.slots.get_mut(key) else { return };
        // Cleared before the poll, so that a wake during the poll polls the call again.
        is_woken.is_woken.swap(false, AcqRel);
        // Unwind safe, because a call that has panicked is dropped.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            driver.as_mut().poll(&mut Context::from_waker(waker), sink)
        }));
        match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(())) => {}
            Err(_panic) => sink.fail(),
        }
        drop_call(driver.as_mut());
    }

    /// Drops a call.
    pub(crate) fn cancel(&mut self, key: usize) {
        if let Some(slot) = self.slots.get_mut(key) {
            drop_call(slot.driver.as_mut());
        }
    }

    /// Frees most slots, because the connection has no calls.
    pub(crate) fn shrink(&mut self) {
        if self.slots.len() > KEPT {
            self.slots.truncate(KEPT);
            self.slots.shrink_to_fit();
        }
    }
}

/// Drops a call. If that panics, the other calls of the connection go on.
fn drop_call<F, B>(mut driver: Pin<&mut Driver<F, B>>) {
    let _panic = catch_unwind(AssertUnwindSafe(|| driver.set(Driver::Idle)));
}
