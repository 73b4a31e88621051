//! Places for calls on a connection: one for each that its server allows at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Where a server names no limit, HTTP/2 has a higher one than a semaphore.
const MOST: usize = Semaphore::MAX_PERMITS / 2;

/// The places of a connection. Whoever waits for one has put nothing on the wire.
#[derive(Debug)]
pub(super) struct Places {
    free: Semaphore,
    allowed: AtomicUsize,
    /// So many are in use above what is allowed, since that fell.
    surplus: AtomicUsize,
    closed: CancellationToken,
}

/// Held by each call on a connection, to its end.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
}

impl Places {
    pub(super) fn new(allowed: usize) -> Self {
        Self {
            free: Semaphore::new(allowed),
            allowed: AtomicUsize::new(allowed),
            surplus: AtomicUsize::new(0),
            closed: CancellationToken::new(),
        }
    }

    /// Waits for a place. There is none where these are closed.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Place> {
        self.free.acquire().await.ok()?.forget();
        Some(Place { places: Arc::clone(self) })
    }

    /// So many are allowed from now on. For the task of the connection alone.
    pub(super) fn allow(&self, allowed: usize) {
        let allowed = allowed.min(MOST);
        let before = self.allowed.swap(allowed, Relaxed);
        if allowed < before {
            // First: what comes back meanwhile is not for whoever waits.
            self.surplus.fetch_add(before - allowed, Relaxed);
            self.give_back(self.free.forget_permits(before - allowed));
        } else if allowed > before {
            self.give_back(allowed - before);
        }
    }

    /// To whoever waits, but for those that are one too many.
    fn give_back(&self, places: usize) {
        let less = |surplus: usize| Some(surplus.saturating_sub(places));
        let (Ok(surplus) | Err(surplus)) = self.surplus.fetch_update(Relaxed, Relaxed, less);
        self.free.add_permits(places.saturating_sub(surplus));
    }

    /// Where none is allowed none is, whoever waits.
    pub(super) fn are_in_use(&self) -> bool {
        let all = self.allowed.load(Relaxed) + self.surplus.load(Relaxed);
        self.free.available_permits() < all
    }

    /// Nobody gets a place any more. Those in use are used to their end.
    pub(super) fn close(&self) {
        self.free.close();
        self.closed.cancel();
    }

    pub(super) fn are_closed(&self) -> bool {
        self.free.is_closed()
    }

    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.give_back(1);
    }
}

#[cfg(test)]
mod tests {
    use tokio_test::{assert_pending, assert_ready, task::spawn};

    use super::*;

    /// How many there are to take; takes and keeps them.
    fn take_all(places: &Arc<Places>) -> Vec<Place> {
        let next = || match spawn(places.take()).poll() {
            std::task::Poll::Ready(place) => place,
            std::task::Poll::Pending => None,
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn there_are_as_many_as_are_allowed_whatever_is_in_use_when_that_changes() {
        let places = Arc::new(Places::new(3));
        let mut taken = take_all(&places);
        assert_eq!(taken.len(), 3);
        places.allow(1);
        // Neither is for whoever waits.
        let mut waiting = spawn(places.take());
        assert_pending!(waiting.poll());
        taken.truncate(1);
        assert_pending!(waiting.poll());
        taken.clear();
        drop(assert_ready!(waiting.poll()).expect("a place"));

        taken = take_all(&places);
        assert_eq!(taken.len(), 1);
        places.allow(0);
        places.allow(2);
        taken.extend(take_all(&places));
        assert_eq!(taken.len(), 2);
        taken.clear();
        places.allow(1);
        assert_eq!(take_all(&places).len(), 1);
        places.allow(usize::MAX);
        places.allow(5);
        assert_eq!(take_all(&places).len(), 5);
    }

    #[test]
    fn they_are_in_use_until_the_last_has_come_back() {
        let places = Arc::new(Places::new(2));
        assert!(!places.are_in_use());
        let mut taken = take_all(&places);
        places.allow(0);
        taken.pop();
        assert!(places.are_in_use());
        taken.pop();
        assert!(!places.are_in_use());
    }
}
