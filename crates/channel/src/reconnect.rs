//! Connects to one socket, and connects again with backoff when the connection is lost.

use std::time::Duration;

use tokio::{
    task::yield_now,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    backoff::Backoff,
    event::{Change, EventSender},
    host::Socket,
    sender::RequestSender,
};

/// The time limit for a connection, with TLS and the first bytes of the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// The shortest delay between two attempts to connect to an address.
pub const MIN_RECONNECT_BACKOFF: Duration = Duration::from_millis(50);
/// The longest delay between two attempts to connect to an address.
pub(crate) const MAX_RECONNECT_BACKOFF: Duration = Duration::from_secs(1);
/// How long a connection without a response must last to count as one that worked. It is the
/// longest delay, so that connections are not opened more often although the backoff is reset.
const LASTED: Duration = MAX_RECONNECT_BACKOFF;

/// Keeps a connection to `socket` that `connect` opens, and sends its changes. It does not end.
///
/// A connection has worked if there was a response on it or if it has lasted. If it is closed
/// before, such as by GOAWAY straight after SETTINGS, it has failed: the backoff grows. The first
/// connection that a server ends with NO_ERROR has not failed, because a server that is being
/// replaced does this: calls wait for the next connection.
pub(crate) async fn keep_connected<F>(socket: Socket, events: EventSender, connect: impl Fn() -> F)
where
    F: Future<Output = Result<RequestSender, String>>,
{
    let report = |change| events.changed(&socket, change);
    let mut backoff = Backoff::new(MIN_RECONNECT_BACKOFF, MAX_RECONNECT_BACKOFF);
    let mut has_left = false;
    loop {
        let start = Instant::now();
        match timeout(CONNECT_TIMEOUT, connect()).await {
            Ok(Ok(sender)) => {
                let begin = Instant::now();
                report(Change::Ready(sender.clone())).await;
                sender.closed().await;
                // If a response came together with the end, its call records the response first.
                yield_now().await;
                if sender.has_served() || begin.elapsed() >= LASTED {
                    backoff.reset();
                    has_left = false;
                    report(Change::Lost).await;
                } else if sender.has_left() && !std::mem::replace(&mut has_left, true) {
                    report(Change::Lost).await;
                } else {
                    report(Change::Failed(sender.problem())).await;
                }
            }
            Ok(Err(problem)) => report(Change::Failed(problem)).await,
            Err(_elapsed) => report(Change::Failed("no response".to_owned())).await,
        }
        sleep_until(start + backoff.next()).await;
    }
}

#[cfg(test)]
mod tests;
