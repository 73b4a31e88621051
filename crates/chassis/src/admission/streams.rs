//! The limit of streams in progress.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::service_time::ServiceTime;
use crate::cause::Cause;

/// The shortest retry hint that `grpc-retry-pushback-ms` can express.
const MIN_DELAY: Duration = Duration::from_millis(1);
/// The longest retry hint: streams may last for days.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// The slots of the streams of one process. A stream over the limit is refused at once, and
/// no stream occupies a worker.
#[derive(Debug)]
pub(crate) struct Streams {
    slots: Arc<Semaphore>,
    limit: usize,
    durations: ServiceTime,
    refused: AtomicU64,
}

impl Streams {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(limit)),
            limit,
            durations: ServiceTime::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// Returns a slot.
    ///
    /// # Errors
    ///
    /// Returns [`Cause::TooManyStreams`] if the limit is reached. Its retry hint is the
    /// recent duration of a stream divided by the limit, from 1 ms to 60 s.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<StreamPermit, Cause> {
        match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => {
                let start = self.durations.start();
                Ok(StreamPermit { start, streams: Arc::clone(self), _slot: slot })
            }
            Err(_) => {
                self.refused.fetch_add(1, Relaxed);
                let limit = u32::try_from(self.limit).unwrap_or(u32::MAX);
                let retry_after = (self.durations.average() / limit).clamp(MIN_DELAY, MAX_DELAY);
                Err(Cause::TooManyStreams { retry_after })
            }
        }
    }

    pub(crate) fn open(&self) -> usize {
        self.limit - self.slots.available_permits()
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

/// The slot of one stream, returned when it is dropped.
#[derive(Debug)]
pub(crate) struct StreamPermit {
    start: Instant,
    streams: Arc<Streams>,
    _slot: OwnedSemaphorePermit,
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.streams.durations.record(self.start.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_over_the_limit_is_refused_at_once_with_a_retry_hint() {
        let streams = Arc::new(Streams::new(2));
        let first = streams.admit().expect("a slot");
        let _second = streams.admit().expect("a slot");
        advance(Duration::from_secs(4)).await;
        let refused = streams.admit().expect_err("the limit is reached");
        // The first stream has lasted 4 s, and one of two slots is free every 2 s.
        assert_eq!(refused, Cause::TooManyStreams { retry_after: Duration::from_secs(2) });
        assert_eq!((streams.open(), streams.refused()), (2, 1));
        drop(first);
        streams.admit().expect("a slot again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_ends_sets_the_hint_and_returns_its_slot() {
        let streams = Arc::new(Streams::new(2));
        assert_eq!(streams.limit(), 2);
        let first = streams.admit().expect("a slot");
        assert_eq!(streams.open(), 1);
        advance(Duration::from_secs(4)).await;
        drop(first);
        assert_eq!(streams.open(), 0);

        let _open = [streams.admit().expect("a slot"), streams.admit().expect("a slot")];
        // Longer than the recent duration of a stream: only a stream that has ended counts.
        advance(Duration::from_secs(50)).await;
        for _ in 0..3 {
            let refused = streams.admit().expect_err("the limit is reached");
            assert_eq!(refused, Cause::TooManyStreams { retry_after: Duration::from_secs(2) });
        }
        assert_eq!((streams.open(), streams.refused()), (2, 3));
    }
}
