//! Reloads the files of TLS when they change.
//!
//! The contents are compared, which works with every way of changing a file and on every kind
//! of volume. Notifications of the kernel do not.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use super::{
    certificate::{Expiry, Files, Identity},
    time::{in_words, seconds},
};
use crate::config;

/// How often the files are read. A change is taken when two reads in a row have seen the same
/// content, so that files which are written one after the other are neither taken nor reported
/// half written.
const INTERVAL: Duration = Duration::from_millis(500);

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
    /// Returns how many changes of the files were taken.
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
    current: watch::Sender<Arc<ServerConfig>>,
    status: TlsStatus,
    /// What the last read saw.
    seen: Files,
    /// What was last taken, or reported as not valid, and why it is not valid.
    tried: Files,
    error: Option<String>,
    /// When the time makes another of the same files, in seconds since 1970.
    changes_at: Option<i64>,
}

impl Reloads {
    pub(super) fn new(settings: config::Tls, files: Files, identity: Identity) -> Self {
        let status = TlsStatus::default();
        status.set_expiry(identity.expiry);
        let current = watch::Sender::new(identity.config);
        let changes_at = identity.changes_at;
        Self {
            settings,
            current,
            status,
            seen: files.clone(),
            tried: files,
            error: None,
            changes_at,
        }
    }

    pub(super) fn current(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    pub(super) fn status(&self) -> TlsStatus {
        self.status.clone()
    }

    /// Watches the files while the server runs, in a thread of its own: a volume that does not
    /// respond delays nothing else.
    pub(super) fn start(mut self) -> io::Result<()> {
        let look = move || {
            while !self.current.is_closed() {
                thread::sleep(INTERVAL);
                self.look(Files::read(&self.settings), SystemTime::now());
            }
        };
        thread::Builder::new().name("certificates".into()).spawn(look).map(|_| ())
    }

    fn look(&mut self, files: Files, now: SystemTime) {
        let settled = files == self.seen;
        let changed = files != self.tried;
        self.seen = files;
        // Files that are not valid are checked again, because a certificate may become valid later,
        // and so are authorities when one of them becomes valid or expires.
        let is_due = self.changes_at.is_some_and(|at| seconds(now) >= at);
        if !settled || !(changed || is_due || self.error.is_some()) {
            return;
        }
        match self.seen.check(&self.settings, now) {
            Ok(Identity { config, serial, expiry, changes_at }) => {
                self.current.send_replace(config);
                self.error = None;
                self.changes_at = changes_at;
                self.status.0.reloaded.fetch_add(1, Ordering::Relaxed);
                self.status.set_expiry(expiry);
                let not_after = in_words(expiry.certificate);
                tracing::info!(serial, not_after, "certificate reloaded");
            }
            Err(errors) => {
                let error = errors.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                if changed || self.error.as_ref() != Some(&error) {
                    self.status.0.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(error, "certificate not reloaded: the old one stays");
                }
                self.error = Some(error);
            }
        }
        self.tried.clone_from(&self.seen);
    }
}

#[cfg(test)]
mod tests;
