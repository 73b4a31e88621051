//! Reloads the files of TLS when they change.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use wire::reload::{self, Reload};

use super::{
    certificate::{Expiry, Files, Identity},
    time::{in_words, seconds},
};
use crate::config;

/// How often the files were reloaded, and when their certificates expire, for metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsStatus(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    reloaded: AtomicU64,
    failed: AtomicU64,
    expiry: Mutex<Expiry>,
}

impl TlsStatus {
    /// Returns how many changes of the files were applied.
    pub(crate) fn reloaded(&self) -> u64 {
        self.0.reloaded.load(Ordering::Relaxed)
    }

    /// Returns how many changes were not valid, so that the old certificate stayed.
    pub(crate) fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// Returns when the certificates in use expire.
    pub(crate) fn expiry(&self) -> Expiry {
        *self.0.expiry.lock().expect("no thread panics with it")
    }

    fn set_expiry(&self, expiry: Expiry) {
        *self.0.expiry.lock().expect("no thread panics with it") = expiry;
    }
}

/// Watches the files.
pub(super) struct Reloads {
    settings: config::Tls,
    has_http1: bool,
    current: watch::Sender<Arc<ServerConfig>>,
    status: TlsStatus,
    files: Reload<Files>,
    /// When an authority in the files becomes valid or has expired, so that the same files must be
    /// checked again. In seconds since 1970.
    changes_at: Option<i64>,
}

impl Reloads {
    pub(super) fn new(
        settings: config::Tls,
        has_http1: bool,
        files: Files,
        identity: Identity,
    ) -> Self {
        let status = TlsStatus::default();
        status.set_expiry(identity.expiry);
        let current = watch::Sender::new(identity.config);
        let changes_at = identity.changes_at;
        Self { settings, has_http1, current, status, files: Reload::new(files), changes_at }
    }

    pub(super) fn current(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    pub(super) fn status(&self) -> TlsStatus {
        self.status.clone()
    }

    /// Watches the files while the server runs.
    pub(super) fn start(mut self) -> io::Result<()> {
        reload::watch(move || {
            self.look(Files::read(&self.settings), SystemTime::now());
            !self.current.is_closed()
        })
    }

    fn look(&mut self, files: Files, now: SystemTime) {
        // Authorities are checked again when one of them becomes valid or expires.
        let is_due = self.changes_at.is_some_and(|at| seconds(now) >= at);
        let (settings, has_http1) = (&self.settings, self.has_http1);
        let check = |files: &Files| {
            let checked = files.check(settings, now);
            let checked =
                checked.map(|identity| if has_http1 { identity.with_http1() } else { identity });
            checked.map_err(|errors| {
                errors.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            })
        };
        match self.files.look(files, is_due, check) {
            None => {}
            Some(Ok(Identity { config, serial, expiry, changes_at })) => {
                self.current.send_replace(config);
                self.changes_at = changes_at;
                self.status.0.reloaded.fetch_add(1, Ordering::Relaxed);
                self.status.set_expiry(expiry);
                let not_after = in_words(expiry.certificate);
                tracing::info!(serial, not_after, "certificate reloaded");
            }
            Some(Err(error)) => {
                self.status.0.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!(error, "certificate not reloaded: the old one stays");
            }
        }
    }
}

#[cfg(test)]
mod tests;
