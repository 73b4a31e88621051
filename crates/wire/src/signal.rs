//! The signals that ask the process to shut down.

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// Returns a channel that yields `SIGTERM` and `SIGINT` as they arrive. Platforms send
/// the first, Ctrl-C the second.
///
/// Both are caught from this call on, because the kernel drops a signal to process 1 of a
/// container if that process has no handler.
///
/// # Errors
///
/// Returns the system's error if it refuses the handler.
pub fn shutdown_signals() -> io::Result<mpsc::Receiver<&'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, signals) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if sender.send(name).await.is_err() {
                return;
            }
        }
    });
    Ok(signals)
}
