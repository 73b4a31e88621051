//! Whether a peer is still there, when it says nothing: PING (RFC 9113, section 6.7).

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

/// What is known of a peer, by what reads from it and by what asks after it.
#[derive(Debug)]
pub(crate) struct Heard {
    since: Instant,
    /// When it last said something, in milliseconds since then.
    last: AtomicU64,
    given_up: AtomicBool,
}

impl Heard {
    /// It has said something just now.
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), last: AtomicU64::new(0), given_up: AtomicBool::new(false) }
    }

    /// It says something.
    pub(crate) fn now(&self) {
        let milliseconds = self.since.elapsed().as_millis() as u64;
        self.last.store(milliseconds, Relaxed);
    }

    /// For whoever is about to read.
    ///
    /// # Errors
    ///
    /// Once the peer has been given up: h2 tells all streams why a read failed.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.given_up.load(Relaxed) {
            let silent = "the peer did not answer a PING in time";
            return Err(io::Error::new(io::ErrorKind::TimedOut, silent));
        }
        Ok(())
    }

    /// When it last said something, to the millisecond.
    pub(crate) fn last(&self) -> Instant {
        self.since + Duration::from_millis(self.last.load(Relaxed))
    }
}

/// Ends once the peer is given up: it said nothing for the interval while somebody
/// waited for it, was asked, and did not answer in time.
pub(crate) async fn silence(
    mut pings: PingPong,
    heard: Arc<Heard>,
    interval: Duration,
    answer_within: Duration,
    is_awaited: impl Fn() -> bool,
) {
    loop {
        let due = heard.last() + interval;
        if Instant::now() < due {
            sleep_until(due).await;
            continue;
        }
        if !is_awaited() {
            sleep(interval).await;
            continue;
        }
        match timeout(answer_within, pings.ping(Ping::opaque())).await {
            Ok(Ok(_pong)) => heard.now(),
            _ => {
                heard.given_up.store(true, Relaxed);
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

    /// How long it takes until a peer is given up, that says nothing by itself.
    async fn given_up(
        peer_runs: bool,
        is_awaited: bool,
        says: impl Fn(Arc<Heard>) -> BoxFuture<'static, ()>,
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
        let heard = Arc::new(Heard::new());
        let begun = Instant::now();
        let given_up = tokio::select! {
            () = silence(pings, heard.clone(), INTERVAL, TIMEOUT, || is_awaited) => true,
            _ = server.accept(), if peer_runs => panic!("a request"),
            () = says(heard.clone()) => panic!("it never ends"),
            () = sleep(HOUR) => false,
        };
        assert_eq!(heard.check().is_err(), given_up);
        given_up.then(|| begun.elapsed())
    }

    fn nothing(_: Arc<Heard>) -> BoxFuture<'static, ()> {
        std::future::pending().boxed()
    }

    fn something_at_first(heard: Arc<Heard>) -> BoxFuture<'static, ()> {
        let first = sleep(SECOND).then(move |()| {
            heard.now();
            std::future::pending()
        });
        first.boxed()
    }

    fn something_every_minute(heard: Arc<Heard>) -> BoxFuture<'static, ()> {
        async move {
            loop {
                heard.now();
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
    async fn a_silent_peer_is_given_up_where_somebody_waits_for_it() {
        let time = given_up(false, true, nothing).await;
        assert!(is_about(time, INTERVAL + TIMEOUT), "{time:?}");
        let time = given_up(false, true, something_at_first).await;
        assert!(is_about(time, SECOND + INTERVAL + TIMEOUT), "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_answers_or_is_not_awaited_is_not_given_up() {
        assert_eq!(given_up(true, true, nothing).await, None, "it answers");
        assert_eq!(given_up(false, false, nothing).await, None, "nobody waits for it");
        let time = given_up(false, true, something_every_minute).await;
        assert_eq!(time, None, "it speaks by itself");
    }
}
