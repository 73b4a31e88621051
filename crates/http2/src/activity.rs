//! The activity of a connection. A server that must close a connection chooses an idle one.

use std::{
    sync::atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The number of open streams of a connection, and since when it has had none. Only the connection
/// writes it.
#[derive(Debug)]
pub struct Activity {
    created: Instant,
    streams: AtomicUsize,
    /// When the last stream ended, in milliseconds after `created`.
    idle_since: AtomicU64,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            created: Instant::now(),
            streams: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
        }
    }
}

impl Activity {
    /// Returns the number of open streams.
    pub fn streams(&self) -> usize {
        self.streams.load(Acquire)
    }

    /// Returns when the last stream ended, or the time of creation if there has been no stream.
    /// Returns `None` if a stream is open.
    pub fn idle_since(&self) -> Option<Instant> {
        let idle = self.streams() == 0;
        idle.then(|| self.created + Duration::from_millis(self.idle_since.load(Relaxed)))
    }

    /// Records the number of open streams. The connection calls this if the number has changed, or
    /// if a stream has begun and ended since the last call.
    pub fn set_streams(&self, streams: usize) {
        if streams == 0 {
            self.record_end();
        }
        self.streams.store(streams, Release);
    }

    fn record_end(&self) {
        self.idle_since.store(self.created.elapsed().as_millis() as u64, Relaxed);
    }
}

#[cfg(feature = "h2")]
impl Activity {
    /// Records the beginning of a stream.
    pub(crate) fn add_stream(&self) {
        self.streams.fetch_add(1, Release);
    }

    /// Records the end of a stream.
    pub(crate) fn remove_stream(&self) {
        self.record_end();
        self.streams.fetch_sub(1, Release);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_since_its_last_stream_ended() {
        let activity = Activity::default();
        let start = Instant::now();
        assert_eq!(activity.idle_since(), Some(start));
        activity.set_streams(2);
        assert_eq!((activity.streams(), activity.idle_since()), (2, None));
        advance(Duration::from_secs(5)).await;
        activity.set_streams(0);
        advance(Duration::from_secs(5)).await;
        assert_eq!(activity.idle_since(), Some(start + Duration::from_secs(5)));
    }
}
