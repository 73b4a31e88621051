//! Reloads the files of TLS when they change.
//!
//! The contents are compared, which works with every way of changing a file and on every kind
//! of volume. Notifications of the kernel do not.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use super::certificate::{Files, Identity, in_words};
use crate::config;

/// How often the files are read. A change is taken when two reads in a row have seen the same
/// content, so that files which are written one after the other are neither taken nor reported
/// half written.
const INTERVAL: Duration = Duration::from_millis(500);

/// How often the certificate was reloaded, and when it expires, for metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsStatus(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    reloaded: AtomicU64,
    failed: AtomicU64,
    not_after: AtomicI64,
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

    /// Returns when the current certificate expires, in seconds since 1970.
    pub(crate) fn not_after(&self) -> i64 {
        self.0.not_after.load(Ordering::Relaxed)
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
}

impl Reloads {
    pub(super) fn new(settings: config::Tls, files: Files, identity: Identity) -> Self {
        let status = TlsStatus::default();
        status.0.not_after.store(identity.not_after, Ordering::Relaxed);
        let current = watch::Sender::new(identity.config);
        Self { settings, current, status, seen: files.clone(), tried: files, error: None }
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
        // Files that are not valid are checked again, because a certificate may become valid later.
        if !settled || !(changed || self.error.is_some()) {
            return;
        }
        match self.seen.check(&self.settings, now) {
            Ok(Identity { config, serial, not_after }) => {
                self.current.send_replace(config);
                self.error = None;
                self.status.0.reloaded.fetch_add(1, Ordering::Relaxed);
                self.status.0.not_after.store(not_after, Ordering::Relaxed);
                tracing::info!(serial, not_after = in_words(not_after), "certificate reloaded");
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
mod tests {
    use std::{fs, time::UNIX_EPOCH};

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use tempfile::TempDir;

    use super::*;

    struct Watched {
        folder: TempDir,
        reloads: Reloads,
    }

    /// A certificate and its key, in PEM.
    fn pair(first_year: i32) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.not_before = date_time_ymd(first_year, 1, 1);
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    }

    impl Watched {
        fn new() -> Self {
            let folder = TempDir::new().expect("a folder");
            let path = |name| folder.path().join(name);
            let settings =
                config::Tls { certificate: path("crt"), key: path("key"), client_ca: None };
            let (certificate, key) = pair(2000);
            fs::write(path("crt"), certificate).expect("it is written");
            fs::write(path("key"), key).expect("it is written");
            let files = Files::read(&settings);
            let identity = files.check(&settings, SystemTime::now()).expect("a pair");
            Self { reloads: Reloads::new(settings, files, identity), folder }
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.folder.path().join(name), text).expect("it is written");
        }

        fn look(&mut self) {
            self.look_at(SystemTime::now());
        }

        fn look_at(&mut self, now: SystemTime) {
            let files = Files::read(&self.reloads.settings);
            self.reloads.look(files, now);
        }

        fn counts(&self) -> (u64, u64) {
            (self.reloads.status.reloaded(), self.reloads.status.failed())
        }
    }

    #[test]
    fn without_a_change_nothing_is_reloaded() {
        let mut watched = Watched::new();
        for _ in 0..5 {
            watched.look();
        }
        assert_eq!(watched.counts(), (0, 0));
    }

    #[test]
    fn half_written_files_are_not_an_error() {
        let mut watched = Watched::new();
        let (certificate, key) = pair(2000);
        watched.write("crt", &certificate);
        watched.look();
        watched.write("key", &key);
        watched.look();
        assert_eq!(watched.counts(), (0, 0));
        watched.look();
        watched.look();
        assert_eq!(watched.counts(), (1, 0));
    }

    #[test]
    fn an_error_counts_once_for_each_change_and_ends_with_a_valid_pair() {
        let mut watched = Watched::new();
        let before = Arc::clone(&watched.reloads.current.borrow());
        let (certificate, key) = pair(2000);
        for key in [pair(2000).1, pair(2000).1] {
            watched.write("crt", &certificate);
            watched.write("key", &key);
            for _ in 0..5 {
                watched.look();
            }
        }
        fs::remove_file(watched.folder.path().join("key")).expect("it was there");
        for _ in 0..5 {
            watched.look();
        }
        assert_eq!(watched.counts(), (0, 3));
        assert!(Arc::ptr_eq(&before, &watched.reloads.current.borrow()));

        watched.write("key", &key);
        for _ in 0..5 {
            watched.look();
        }
        assert_eq!(watched.counts(), (1, 3));
        assert!(!Arc::ptr_eq(&before, &watched.reloads.current.borrow()));
    }

    #[test]
    fn a_certificate_that_becomes_valid_later_is_taken_then() {
        let mut watched = Watched::new();
        let (certificate, key) = pair(2900);
        watched.write("crt", &certificate);
        watched.write("key", &key);
        for _ in 0..5 {
            watched.look();
        }
        assert_eq!(watched.counts(), (0, 1));
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        watched.look_at(UNIX_EPOCH + year * 1000);
        assert_eq!(watched.counts(), (1, 1));
    }
}
