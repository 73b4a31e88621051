//! Keepalive: PING to a silent peer, and a timeout for its acknowledgement (RFC 9113,
//! section 6.7).

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use h2::{Ping, PingPong};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// When a peer was last active. The transport records it, and the keepalive reads it.
#[derive(Debug)]
pub struct PeerActivity {
    start: Instant,
    /// The time of the last read, in milliseconds after `start`.
    last: AtomicU64,
    timed_out: AtomicBool,
}

impl PeerActivity {
    /// Returns the activity of a peer that was active just now.
    pub fn new() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0), timed_out: AtomicBool::new(false) }
    }

    /// Records that bytes were read from the peer.
    pub fn record(&self) {
        let milliseconds = self.start.elapsed().as_millis() as u64;
        self.last.store(milliseconds, Relaxed);
    }

    /// Checks before a read that the keepalive has not timed out.
    ///
    /// # Errors
    ///
    /// Returns `TimedOut` if it has. h2 then ends all streams with this error.
    pub fn check(&self) -> io::Result<()> {
        if self.timed_out.load(Relaxed) {
            let message = "the peer did not acknowledge a PING in time";
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        Ok(())
    }

    /// Returns when the peer was last active, in whole milliseconds.
    pub fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.last.load(Relaxed))
    }
}

impl Default for PeerActivity {
    fn default() -> Self {
        Self::new()
    }
}

/// Resolves when the keepalive times out: the peer was silent for `interval` while it was
/// needed, was sent a PING, and did not acknowledge it within `ack_timeout`.
///
/// `is_needed` returns whether the connection must be alive, such as for calls in flight.
pub async fn timed_out(
    mut pings: PingPong,
    activity: Arc<PeerActivity>,
    interval: Duration,
    ack_timeout: Duration,
    is_needed: impl Fn() -> bool,
) {
    loop {
        let due = activity.last() + interval;
        if Instant::now() < due {
            sleep_until(due).await;
            continue;
        }
        if !is_needed() {
            sleep(interval).await;
            continue;
        }
        match timeout(ack_timeout, pings.ping(Ping::opaque())).await {
            Ok(Ok(_pong)) => activity.record(),
            _ => {
                activity.timed_out.store(true, Relaxed);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{FutureExt, future::BoxFuture};
    use tokio::io::duplex;
    use tokio_util::task::AbortOnDropHandle;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(300);
    const TIMEOUT: Duration = Duration::from_secs(20);
    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    /// Returns how long it takes until the keepalive of a connection times out, or `None` if
    /// it does not within an hour.
    async fn time_to_timeout(
        peer_runs: bool,
        is_needed: bool,
        peer: impl Fn(Arc<PeerActivity>) -> BoxFuture<'static, ()>,
    ) -> Option<Duration> {
        let (near, far) = duplex(1 << 16);
        let (client, server) = tokio::join!(
            h2::client::handshake(near),
            h2::server::Builder::new().handshake::<_, Bytes>(far)
        );
        let (_requests, mut connection) = client.expect("a client");
        let mut server = server.expect("a server");
        let pings = connection.ping_pong().expect("the first to ask");
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let activity = Arc::new(PeerActivity::new());
        let start = Instant::now();
        let timed_out = tokio::select! {
            () = timed_out(pings, activity.clone(), INTERVAL, TIMEOUT, || is_needed) => true,
            _ = server.accept(), if peer_runs => panic!("a request"),
            () = peer(activity.clone()) => panic!("it never ends"),
            () = sleep(HOUR) => false,
        };
        assert_eq!(activity.check().is_err(), timed_out);
        timed_out.then(|| start.elapsed())
    }

    fn silent(_: Arc<PeerActivity>) -> BoxFuture<'static, ()> {
        std::future::pending().boxed()
    }

    fn active_once(activity: Arc<PeerActivity>) -> BoxFuture<'static, ()> {
        let first = sleep(SECOND).then(move |()| {
            activity.record();
            std::future::pending()
        });
        first.boxed()
    }

    fn active_every_minute(activity: Arc<PeerActivity>) -> BoxFuture<'static, ()> {
        async move {
            loop {
                activity.record();
                sleep(60 * SECOND).await;
            }
        }
        .boxed()
    }

    /// tokio's timers end on the next whole millisecond.
    fn is_about(time: Option<Duration>, expected: Duration) -> bool {
        time.is_some_and(|time| time.abs_diff(expected) <= Duration::from_millis(3))
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_times_out_while_it_is_needed() {
        let time = time_to_timeout(false, true, silent).await;
        assert!(is_about(time, INTERVAL + TIMEOUT), "{time:?}");
        let time = time_to_timeout(false, true, active_once).await;
        assert!(is_about(time, SECOND + INTERVAL + TIMEOUT), "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_acknowledges_or_is_not_needed_does_not_time_out() {
        assert_eq!(time_to_timeout(true, true, silent).await, None, "it acknowledges");
        assert_eq!(time_to_timeout(false, false, silent).await, None, "it is not needed");
        let time = time_to_timeout(false, true, active_every_minute).await;
        assert_eq!(time, None, "it is active by itself");
    }
}
