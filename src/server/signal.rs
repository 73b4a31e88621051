//! The signals that ask the server to end.

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// The names of signals to end as they arrive: SIGTERM, which platforms send,
/// and SIGINT, which Ctrl-C sends.
///
/// Both are caught from here on: as process 1 of a container, a program that
/// does not handle SIGTERM cannot be ended by it.
///
/// # Errors
///
/// Where the system refuses the handler.
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
            // Nobody listens any more: the process is at its end.
            if sender.send(name).await.is_err() {
                return;
            }
        }
    });
    Ok(signals)
}
