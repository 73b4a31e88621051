//! The accept loop of one listener.

use std::{sync::Arc, time::Duration};

use tokio::{net::TcpListener, time::sleep};

use super::connections::Connections;
use crate::call::unmapped;

const MIN_BACKOFF: Duration = Duration::from_millis(5);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// Accepts connections until the drain, and then closes the listener.
///
/// An error does not end the loop. The backoff keeps a lasting one, such as no descriptors
/// left, from spinning.
pub(super) async fn accept(listener: TcpListener, connections: Arc<Connections>) {
    let accept = async {
        let mut backoff = MIN_BACKOFF;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    backoff = MIN_BACKOFF;
                    connections.open(stream, unmapped(peer));
                }
                Err(error) => {
                    connections.count(|counts| counts.not_accepted += 1);
                    tracing::warn!(%error, "no connection can be accepted at the moment");
                    sleep(backoff).await;
                    backoff = (backoff * 2).min(MAX_BACKOFF);
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = connections.draining() => {}
    }
}
