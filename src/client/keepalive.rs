//! Whether a server is still there, when it says nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use h2::{Ping, PingPong};
use tokio::time::{sleep, timeout};

/// How often it is looked at whether a server says something while calls are in flight,
/// and else asked whether it is there: what gRPC's servers allow by default. More
/// often, and they close the connection (gRFC A8).
const INTERVAL: Duration = Duration::from_secs(5 * 60);
/// How long it may take to answer that, or to acknowledge what was sent
/// (TCP_USER_TIMEOUT, gRFC A18).
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);

/// Ends once a server with calls in flight says nothing, though it was asked.
pub(super) async fn silence(mut pings: PingPong, heard: Arc<AtomicBool>, calls: Arc<()>) {
    loop {
        heard.store(false, Relaxed);
        sleep(INTERVAL).await;
        if heard.load(Relaxed) || Arc::strong_count(&calls) == 1 {
            continue;
        }
        let pong = timeout(TIMEOUT, pings.ping(Ping::opaque()));
        if !matches!(pong.await, Ok(Ok(_))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{FutureExt, future::BoxFuture};
    use tokio::{io::duplex, time::Instant};
    use tokio_util::task::AbortOnDropHandle;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// How long it takes until a server is given up, that says nothing by itself.
    async fn given_up(
        server_runs: bool,
        in_flight: bool,
        heard: impl Fn(Arc<AtomicBool>) -> BoxFuture<'static, ()>,
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
        let (is_heard, calls) = (Arc::default(), Arc::new(()));
        let _call = in_flight.then(|| calls.clone());
        let begun = Instant::now();
        tokio::select! {
            () = silence(pings, Arc::clone(&is_heard), calls) => Some(begun.elapsed()),
            _ = server.accept(), if server_runs => panic!("a request"),
            () = heard(is_heard) => panic!("it never ends"),
            () = sleep(HOUR) => None,
        }
    }

    fn never(_: Arc<AtomicBool>) -> BoxFuture<'static, ()> {
        std::future::pending().boxed()
    }

    fn every_minute(heard: Arc<AtomicBool>) -> BoxFuture<'static, ()> {
        async move {
            loop {
                heard.store(true, Relaxed);
                sleep(Duration::from_secs(60)).await;
            }
        }
        .boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_given_up_where_calls_wait_for_it() {
        let given_up_after = given_up(false, true, never).await;
        assert_eq!(given_up_after, Some(INTERVAL + TIMEOUT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_answers_or_has_no_calls_is_not_given_up() {
        assert_eq!(given_up(true, true, never).await, None, "it answers");
        assert_eq!(given_up(false, false, never).await, None, "it has no calls");
        assert_eq!(given_up(false, true, every_minute).await, None, "it speaks by itself");
    }
}
