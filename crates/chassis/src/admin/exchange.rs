//! One request, its response, and how long they may take.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::sleep;

/// The longest time in which a connection may make no progress. It serves one request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The progress of a response that takes longer than others.
#[derive(Debug, Default)]
pub(super) struct Exchange(AtomicUsize);

impl Exchange {
    /// Records progress of the response, which gives it more time.
    pub(super) fn goes_on(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Returns whether the response takes long, as events and profiles do. A new connection
    /// displaces such a response only if all others take long too.
    pub(super) fn lasts(&self) -> bool {
        self.0.load(Relaxed) > 0
    }

    /// Waits until there was no progress for [`TIMEOUT`]: the client does not send its request, or
    /// does not read the response.
    pub(super) async fn stalled(&self) {
        loop {
            let before = self.0.load(Relaxed);
            sleep(TIMEOUT).await;
            if self.0.load(Relaxed) == before {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_response_that_goes_on_has_more_time() {
        let exchange = Exchange::default();
        let begin = Instant::now();
        exchange.stalled().await;
        assert_eq!(begin.elapsed(), TIMEOUT);
        let goes_on = async {
            loop {
                exchange.goes_on();
                sleep(TIMEOUT / 2).await;
            }
        };
        let ended = tokio::select! {
            ended = timeout(TIMEOUT * 100, exchange.stalled()) => ended,
            () = goes_on => unreachable!("it has no end"),
        };
        assert!(ended.is_err(), "it ended while it went on");
    }
}
