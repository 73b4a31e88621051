//! Connects to one socket, and connects again with backoff when the connection is lost.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

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

/// Keeps a connection to `socket` that `connect` opens, and sends its changes. It does not end.
pub(crate) async fn keep_connected<F>(socket: Socket, events: EventSender, connect: impl Fn() -> F)
where
    F: Future<Output = Result<RequestSender, String>>,
{
    let report = |change| events.changed(&socket, change);
    let mut backoff = Backoff::new(MIN_RECONNECT_BACKOFF, MAX_RECONNECT_BACKOFF);
    loop {
        let start = Instant::now();
        match timeout(CONNECT_TIMEOUT, connect()).await {
            Ok(Ok(sender)) => {
                backoff.reset();
                report(Change::Ready(sender.clone())).await;
                sender.closed().await;
                report(Change::Lost).await;
            }
            Ok(Err(problem)) => report(Change::Failed(problem)).await,
            Err(_elapsed) => report(Change::Failed("no response".to_owned())).await,
        }
        sleep_until(start + backoff.next()).await;
    }
}
