//! The stream limit of a connection: how many calls its server allows at once
//! (`MAX_CONCURRENT_STREAMS`).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The highest limit. HTTP/2 allows higher ones than a semaphore does.
const MAX_LIMIT: usize = Semaphore::MAX_PERMITS / 2;

/// The stream limit of a connection. A call that waits for a permit has sent nothing.
#[derive(Debug)]
pub(crate) struct StreamLimit {
    free: Semaphore,
    limit: AtomicUsize,
    /// How many permits are in use above the limit, since the server lowered it.
    over_limit: AtomicUsize,
    closed: CancellationToken,
}

/// The permit that each call on a connection holds until it ends.
#[derive(Debug)]
pub(crate) struct StreamPermit {
    limit: Arc<StreamLimit>,
}

impl StreamLimit {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            free: Semaphore::new(limit),
            limit: AtomicUsize::new(limit),
            over_limit: AtomicUsize::new(0),
            closed: CancellationToken::new(),
        }
    }

    /// Waits for a permit. Returns `None` if the connection is closed.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Option<StreamPermit> {
        self.free.acquire().await.ok()?.forget();
        Some(StreamPermit { limit: Arc::clone(self) })
    }

    /// Changes the limit. Only the task of the connection calls this.
    pub(crate) fn set_limit(&self, limit: usize) {
        let limit = limit.min(MAX_LIMIT);
        let before = self.limit.swap(limit, Relaxed);
        if limit < before {
            // This comes first, so that a permit that is released meanwhile does not go to a
            // waiting call.
            self.over_limit.fetch_add(before - limit, Relaxed);
            self.release(self.free.forget_permits(before - limit));
        } else if limit > before {
            self.release(limit - before);
        }
    }

    /// Returns permits to the waiting calls, except those that are over the limit.
    fn release(&self, permits: usize) {
        let less = |over_limit: usize| Some(over_limit.saturating_sub(permits));
        let (Ok(over_limit) | Err(over_limit)) =
            self.over_limit.fetch_update(Relaxed, Relaxed, less);
        self.free.add_permits(permits.saturating_sub(over_limit));
    }

    /// Returns whether a call holds a permit. Waiting calls do not count.
    pub(crate) fn is_in_use(&self) -> bool {
        let all = self.limit.load(Relaxed) + self.over_limit.load(Relaxed);
        self.free.available_permits() < all
    }

    /// Gives no more permits. Those in use stay valid.
    pub(crate) fn close(&self) {
        self.free.close();
        self.closed.cancel();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.free.is_closed()
    }

    /// Resolves when the limit is closed.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.limit.release(1);
    }
}

#[cfg(test)]
mod tests {
    use tokio_test::{assert_pending, assert_ready, task::spawn};

    use super::*;

    /// Acquires permits until none is free, and returns them.
    fn acquire_all(limit: &Arc<StreamLimit>) -> Vec<StreamPermit> {
        let next = || match spawn(limit.acquire()).poll() {
            std::task::Poll::Ready(permit) => permit,
            std::task::Poll::Pending => None,
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn the_number_of_permits_follows_the_limit_while_permits_are_in_use() {
        let limit = Arc::new(StreamLimit::new(3));
        let mut permits = acquire_all(&limit);
        assert_eq!(permits.len(), 3);
        limit.set_limit(1);
        // The first two that are released are over the limit.
        let mut waiting = spawn(limit.acquire());
        assert_pending!(waiting.poll());
        permits.truncate(1);
        assert_pending!(waiting.poll());
        permits.clear();
        drop(assert_ready!(waiting.poll()).expect("a permit"));

        permits = acquire_all(&limit);
        assert_eq!(permits.len(), 1);
        limit.set_limit(0);
        limit.set_limit(2);
        permits.extend(acquire_all(&limit));
        assert_eq!(permits.len(), 2);
        permits.clear();
        limit.set_limit(1);
        assert_eq!(acquire_all(&limit).len(), 1);
        limit.set_limit(usize::MAX);
        limit.set_limit(5);
        assert_eq!(acquire_all(&limit).len(), 5);
    }

    #[test]
    fn a_limit_is_in_use_until_the_last_permit_is_released() {
        let limit = Arc::new(StreamLimit::new(2));
        assert!(!limit.is_in_use());
        let mut permits = acquire_all(&limit);
        limit.set_limit(0);
        permits.pop();
        assert!(limit.is_in_use());
        permits.pop();
        assert!(!limit.is_in_use());
    }
}
