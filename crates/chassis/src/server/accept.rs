//! The accept loop of one listener.

use std::{io, sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{connections::Connections, listener::Listener};
use crate::log_rate::LogRate;

const MIN_BACKOFF: Duration = Duration::from_millis(5);
const MAX_BACKOFF: Duration = Duration::from_millis(250);

/// Accepts connections until the drain, and then closes the listener.
///
/// An error does not end the loop. A backoff keeps the loop from spinning on a lasting error, such
/// as a lack of file descriptors. The end of a connection ends the wait, because it frees a
/// descriptor.
pub(super) async fn accept(listener: Listener, connections: Arc<Connections>) {
    let lines = LogRate::default();
    let accept = async {
        let mut backoff = MIN_BACKOFF;
        loop {
            connections.registry.room().await;
            match listener.accept().await {
                Ok((stream, peer)) => {
                    backoff = MIN_BACKOFF;
                    connections.open(stream, peer);
                }
                Err(error) if is_of_one_connection(&error) => {
                    connections.count(|counts| counts.not_accepted += 1);
                    tracing::debug!(%error, "a connection ended before it was accepted");
                }
                Err(error) => {
                    connections.count(|counts| counts.not_accepted += 1);
                    if lines.is_line_due() {
                        tracing::warn!(%error, "no connection can be accepted at the moment");
                    }
                    if lacks_descriptors(&error) {
                        connections.registry.evict();
                    }
                    let _ = timeout(backoff, connections.registry.ended()).await;
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

/// Returns whether the error is about one connection alone (accept(2)), so that the next one can be
/// accepted at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    ) || error.raw_os_error() == Some(libc::EPROTO)
}

/// Returns whether the process or the system has no file descriptor left.
fn lacks_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}
