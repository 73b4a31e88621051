//! The accept loop. It may run once for a whole runtime, or once for each of
//! many listeners: all that it shares is [`Connections`].

use std::{sync::Arc, time::Duration};

use tokio::{net::TcpListener, time::sleep};

use super::connection::Connections;

const FIRST_BACKOFF: Duration = Duration::from_millis(5);
const LAST_BACKOFF: Duration = Duration::from_secs(1);

/// Accepts until the drain, and then closes the listener.
///
/// An error never ends the loop: one that lasts (no descriptors left) is waited
/// out, one that passes (a peer that gave up) costs little.
pub(super) async fn accept(listener: TcpListener, connections: Arc<Connections>) {
    let accept = async {
        let mut backoff = FIRST_BACKOFF;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    backoff = FIRST_BACKOFF;
                    connections.open(stream, peer);
                }
                Err(error) => {
                    connections.count(|endings| endings.not_accepted += 1);
                    tracing::warn!(%error, "no connection can be accepted at the moment");
                    sleep(backoff).await;
                    backoff = (backoff * 2).min(LAST_BACKOFF);
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = connections.draining() => {}
    }
}
